"""Fixtures and markers of all tests."""

import gc
import importlib
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from keras_alt.graph import functional  # noqa: E402

# TensorFlow traces and compiles a step for ten times as long as it runs a small one.
EAGER = keras.backend.backend() == "tensorflow"
GOLDEN = pathlib.Path(__file__).parent / "golden"

# The first example of a test traces graphs, so no example has a time limit.
settings.register_profile(
    "few", max_examples=40, deadline=None, suppress_health_check=[*HealthCheck]
)
settings.register_profile("many", settings.get_profile("few"), max_examples=400)
settings.load_profile("few")


if EAGER:
    from tensorflow.python.eager import context

    # `clear_session` drops the kernels of operations. To make them anew is a third of many tests.
    context.context().clear_kernel_cache = lambda: None


@pytest.fixture(autouse=True)
def fresh_session():
    keras.utils.clear_session(free_memory=False)  # freeing takes longer than most tests
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[True, False], ids=["C", "no-C"])
def with_c(request, monkeypatch):
    """Run a test with the C functions of the backend, and as on a computer without a compiler."""
    functions = {"tensorflow": "operators", "jax": "operators", "torch": "functions"}
    backend = keras.backend.backend()
    if not request.param:
        module = importlib.import_module(f"keras_alt.numerics.{backend}_cpu")
        monkeypatch.setattr(module, functions[backend], lambda: None)
    return request.param


def pytest_collection_modifyitems(items):
    backend = keras.backend.backend()
    for item in items:
        if item.get_closest_marker("tensorflow_only") and backend != "tensorflow":
            item.add_marker(pytest.mark.skip(reason=f"about TensorFlow, runs on {backend}"))


def pytest_collection_finish():
    gc.freeze()  # a collection takes a third of a second when it follows all that Keras imports


def pairs(firsts, seconds, marks=lambda first, second: ()):
    """Return every pair as a parameter of a test; most of them run in `make test-full` only.

    What remains pairs every first with one second, and takes the seconds in turn.

    Args:
        firsts, seconds: values of the two arguments of the test.
        marks: function of a pair that returns its marks.
    """
    return [
        pytest.param(
            first,
            second,
            id=f"{getattr(first, '__name__', first)}-{second}",
            marks=[*marks(first, second), *([pytest.mark.full] * (j != i % len(seconds)))],
        )
        for i, first in enumerate(firsts)
        for j, second in enumerate(seconds)
    ]


def gradients(function, arguments, compiled=False):
    """Return the gradients of sum(function(*arguments)) on the backend that is loaded."""
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()](
        function, arguments, compiled
    )


def _tensorflow(function, arguments, compiled):
    import tensorflow as tf

    arguments = [tf.constant(a) for a in arguments]

    def run(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            total = tf.reduce_sum(function(*arguments))
        return tape.gradient(total, arguments)

    results = tf.function(run)(*arguments) if compiled else run(*arguments)
    return [g.numpy() for g in results]


def _jax(function, arguments, compiled):
    import jax

    run = jax.grad(lambda *a: function(*a).sum(), argnums=tuple(range(len(arguments))))
    return [np.asarray(g) for g in (jax.jit(run) if compiled else run)(*arguments)]


def _torch(function, arguments, compiled):
    import torch

    arguments = [torch.tensor(a, requires_grad=True) for a in arguments]
    function(*arguments).sum().backward()
    return [a.grad.numpy() for a in arguments]


def randomize(model, rng):
    """Give every batch norm statistics that matter; return the model."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.3, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
            if layer.center:
                layer.beta.assign(rng.normal(0, 0.3, shape))
    return model


def types(model):
    """Return the types of the model's layers."""
    return [type(layer) for layer in model.layers]


def sample(model, rng, count=4):
    """Return random inputs of the model, in its structure."""
    arrays = [rng.normal(size=(count, *t.shape[1:])).astype("float32") for t in model.inputs]
    return keras.tree.pack_sequence_as(functional(model)._inputs_struct, arrays)


def outputs(model, x):
    """Return the model's outputs at inference as a flat list of arrays."""
    flat = keras.tree.flatten(model(x, training=False))
    return [keras.ops.convert_to_numpy(value) for value in flat]


def assert_same_function(first, second, rng, relative=1e-5):
    """Compare two models on random inputs."""
    x = sample(first, rng)
    for a, b in zip(outputs(first, x), outputs(second, x), strict=True):
        assert np.abs(a - b).max() <= relative * np.abs(a).max()


def assert_same_outputs(first, second, x):
    """Compare two models bit for bit."""
    for a, b in zip(outputs(first, x), outputs(second, x), strict=True):
        np.testing.assert_array_equal(a, b)


def rule_name(rule):
    """Return what a threshold rule is called in the id of a test."""
    return getattr(rule, "__name__", str(rule))
