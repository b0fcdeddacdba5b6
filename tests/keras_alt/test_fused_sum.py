"""The quantizer behind a biased sum, which the C functions compute in one pass with it."""

import keras
import numpy as np
import pytest
from conftest import gradients, pairs
from keras import ops

from keras_alt import FixedPoint
from keras_alt.layers import QuantConv2D, QuantDepthwiseConv2D
from keras_alt.numerics.function import (
    QuantizedSum,
    fake_quant,
    fake_quant_sum,
    remembered_sum,
)
from keras_alt.quantizer import Quantizer

pytestmark = pytest.mark.backend

BATCH = (8, 24, 24, 16)  # enough for XLA to compile it, if there are no C functions
ODD = (3, 45, 45, 11)  # of which a loop cannot add up equal parts


@pytest.fixture
def single_steps(monkeypatch):
    """Return a function after which sums are computed step by step."""
    from keras_alt.numerics.backend import numerics

    return lambda: monkeypatch.setattr(numerics, "fuses_sum", lambda total: False)


@pytest.mark.parametrize("shape", (BATCH, pytest.param(ODD, marks=pytest.mark.full)))
@pytest.mark.parametrize(("relu_max", "accumulates"), pairs((None, np.inf, 6.0), (True, False)))
def test_one_pass_is_the_single_steps(rng, with_c, relu_max, accumulates, shape):
    signed = relu_max is None
    narrow = FixedPoint(6), "half_even", None  # that some values are clipped
    rules = FixedPoint(8, signed=signed), "half_even", relu_max
    upstream = ops.convert_to_tensor(rng.normal(size=shape).astype("float32"))
    total = float(ops.sum(ops.abs(upstream)))

    def steps(x, bias, t, accumulator):
        if accumulates:
            x = fake_quant(x, accumulator, narrow[0])
        y = fake_quant(x + bias, t, rules[0], relu_max=relu_max)
        return ops.sum(y * upstream), y

    def one_pass(x, bias, t, accumulator):
        terms = QuantizedSum(x, bias, ((accumulator, narrow),) if accumulates else ())
        y = fake_quant_sum(terms, t, rules)
        return ops.sum(y * upstream), y

    x = rng.normal(0, 2, shape).astype("float32")
    bias = rng.normal(size=shape[-1]).astype("float32")
    # The accumulator clips values whose sums the output does not, so that both gradients count.
    arguments = [x, bias, np.float32(1.7), np.float32(0.7)][: 4 if accumulates else 3]
    pad = () if accumulates else (None,)
    value = lambda f: ops.convert_to_numpy(f(*map(ops.convert_to_tensor, arguments), *pad)[1])  # noqa: E731
    np.testing.assert_array_equal(value(one_pass), value(steps))

    expected = gradients(lambda *a: steps(*a, *pad)[0], arguments)
    found = gradients(lambda *a: one_pass(*a, *pad)[0], arguments)
    np.testing.assert_array_equal(found[0], expected[0])
    for a, b in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * total**0.5)


@pytest.mark.parametrize("make", [QuantConv2D, QuantDepthwiseConv2D])
def test_a_training_step_is_the_one_of_single_steps(rng, with_c, make, single_steps):
    x = rng.normal(size=BATCH).astype("float32")
    y = rng.normal(size=BATCH).astype("float32")

    def after_steps():
        keras.utils.set_random_seed(7)
        filters = [16] if make is QuantConv2D else []
        layer = make(*filters, 3, padding="same", activation_bits=None)
        inputs = keras.Input(BATCH[1:])
        hidden = layer(Quantizer(FixedPoint(8), initial_threshold=4.0)(inputs))
        outputs = Quantizer(FixedPoint(8, signed=False), activation="relu", initial_threshold=2.0)
        model = keras.Model(inputs, outputs(hidden))
        for weight in model.trainable_weights:
            if weight.name in ("kernel", "bias"):
                weight.assign(np.random.default_rng(3).normal(0, 0.2, weight.shape))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        losses = [model.train_on_batch(x, y) for _ in range(3)]
        return np.array(losses), model.get_weights()

    losses, weights = after_steps()
    single_steps()
    expected_losses, expected_weights = after_steps()
    assert losses[0] == expected_losses[0]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for found, expected in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.tensorflow_only
def test_only_graphs_remember(rng, with_c):
    import tensorflow as tf

    seen = []

    class Look(keras.layers.Layer):
        def call(self, x):
            seen.append(remembered_sum(x) is not None)
            return x

    def step(run):
        layer, look = QuantConv2D(16, 3, padding="same", activation_bits=None), Look()
        run(lambda x: look(layer(x, training=True)))(np.zeros(BATCH, "float32"))
        return seen[-1]

    assert step(tf.function)
    assert not step(lambda f: f)
