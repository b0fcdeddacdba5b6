"""Fixtures and markers of all tests."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def fresh_session():
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pytest_collection_modifyitems(items):
    backend = keras.backend.backend()
    for item in items:
        if item.get_closest_marker("tensorflow_only") and backend != "tensorflow":
            item.add_marker(pytest.mark.skip(reason=f"about TensorFlow, runs on {backend}"))


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
