"""Graphs of training on CPUs have the operators of the quantizer; those of XLA have none."""

import keras
import numpy as np
import pytest

from keras_alt.formats import FixedPoint
from keras_alt.numerics import closed_form

pytestmark = [pytest.mark.check, pytest.mark.tensorflow_only]

if keras.backend.backend() != "tensorflow":
    pytest.skip("about TensorFlow", allow_module_level=True)

import tensorflow as tf  # noqa: E402
from one_pass_values import bits  # noqa: E402

from keras_alt.layers import QuantDense  # noqa: E402
from keras_alt.numerics import tensorflow as numerics  # noqa: E402
from keras_alt.numerics import tensorflow_cpu  # noqa: E402
from keras_alt.quantizer import Quantizer  # noqa: E402

if not tensorflow_cpu.computes():
    pytest.skip("no compiler is installed, or there is a GPU", allow_module_level=True)

RULES = FixedPoint(8), "half_even", None


def normal(rng, *shape):
    return tf.constant(rng.normal(0, 2, shape), "float32")


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(bits(found), bits(expected))


def operators_in(function):
    """Return the types of all operators of a traced function."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return {node.op for node in nodes}


def small_model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = Quantizer(FixedPoint(8), initial_threshold=4.0)(inputs)
    hidden = QuantDense(8, activation_bits=None)(hidden)
    return keras.Model(inputs, Quantizer(FixedPoint(8), initial_threshold=2.0)(hidden))


def test_a_graph_of_training_has_operators_and_one_of_inference_has_none():
    model, spec = small_model(), tf.TensorSpec((None, 6))
    for training in (True, False):
        graph = tf.function(lambda x, training=training: model(x, training=training))
        found = operators_in(graph.get_concrete_function(spec))
        assert any(name.startswith("KerasAlt") for name in found) == training


def test_xla_compiles_what_it_is_to_compile(rng):
    """It knows no operators of others, so that its own loops are there."""
    x, t, u = normal(rng, 7, 5), tf.constant(0.7), normal(rng, 7, 5)

    def step(x, t, u):
        with tf.GradientTape() as tape:
            tape.watch((x, t))
            y = numerics.fake_quant(x, t, RULES, True, None)
        return y, *tape.gradient(y, (x, t), u)

    inside = tf.function(step)
    compiled = tf.function(step, jit_compile=True)
    nested = tf.function(lambda *given: inside(*given), jit_compile=True)
    expected = tf.function(step)(x, t, u)
    for way in (compiled, nested):
        y, dx, dt = way(x, t, u)
        assert_same_bits(y, expected[0])
        assert_same_bits(dx, expected[1])
        np.testing.assert_allclose(dt, expected[2], rtol=1e-5)


def test_a_model_trains_compiled(rng):
    x, y = rng.normal(size=(16, 6)).astype("float32"), rng.normal(size=(16, 8)).astype("float32")

    def trained(**options):
        model = small_model()
        model.compile(keras.optimizers.SGD(0.1), "mse", **options)
        losses = [model.train_on_batch(x, y) for _ in range(3)]
        return losses, model.get_weights()

    losses, weights = trained(jit_compile=False)
    for options in ({"jit_compile": True}, {"run_eagerly": True}):
        other_losses, other_weights = trained(**options)
        np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
        for a, b in zip(other_weights, weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_operators_run_where_there_are_only_cpus(monkeypatch):
    class Gpu:
        device_type = "GPU"

    assert tensorflow_cpu.computes()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: [Gpu])
    assert not tensorflow_cpu.computes()


def test_an_unknown_context_counts_as_one_of_xla(rng, monkeypatch):
    """Loops of XLA run everywhere; the operators do not."""
    monkeypatch.setattr(tensorflow_cpu, "_is_compiled_graph", lambda graph: True)
    assert tensorflow_cpu.computes()  # eagerly
    step = tf.function(lambda x: numerics.fake_quant(x, tf.constant(0.0), RULES, True, None))
    x = normal(rng, 9)
    assert_same_bits(step(x), closed_form.forward(x, tf.constant(0.0), *RULES))
    found = operators_in(step.get_concrete_function(x))
    assert not any(name.startswith("KerasAlt") for name in found)
