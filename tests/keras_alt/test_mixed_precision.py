"""Codes need float32: other precisions are refused where something is quantized."""

import keras
import models
import numpy as np
import pytest
from conftest import pairs, sample
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.layers import QuantConv2D, QuantDense, QuantLeakyReLU
from keras_alt.quantizer import Quantizer

POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")
FLOAT = dict.fromkeys(("kernel_bits", "bias_bits", "accumulator_bits", "activation_bits"))
REFUSED = r"are float32.*Received: dtype=.*Give the network `dtype='float32'`"


@pytest.fixture(autouse=True)
def usual_policy():
    """What follows a test has the usual precision again."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(params=POLICIES)
def policy(request):
    """Return a policy of another precision."""
    return request.param


@pytest.mark.parametrize(
    "make",
    [
        lambda **rules: Quantizer(FixedPoint(8), initial_threshold=1.0, **rules),
        lambda **rules: QuantConv2D(4, 3, kernel_bits=8, **rules),
        lambda **rules: QuantDense(4, **{**FLOAT, "activation_bits": 8}, **rules),
        lambda **rules: QuantDense(4, **FLOAT, batch_norm={}, **rules),
        lambda **rules: QuantLeakyReLU(**rules),
    ],
    ids=["quantizer", "convolution", "activation only", "batch norm only", "leaky"],
)
def test_a_layer_of_another_precision_is_refused(make, policy):
    with pytest.raises(ValueError, match=REFUSED) as error:
        make(dtype=policy, name="mine")(keras.Input((8, 8, 3)))
    assert "layer 'mine'" in str(error.value)
    with pytest.raises(ValueError, match=REFUSED):
        make(dtype=policy)(np.ones((1, 8, 8, 3), "float32"))
    make(dtype="float32")(keras.Input((8, 8, 3)))


@pytest.mark.parametrize(("policy", "target"), pairs(POLICIES, ["paper", "litert"]))
def test_a_model_is_refused_until_it_is_float32(policy, target, rng):
    before = keras.config.dtype_policy()
    config = QuantizeConfig(target=target)
    keras.config.set_dtype_policy(policy)
    model = models.residual()
    with pytest.raises(ValueError, match=REFUSED):
        keras_alt.quantize_model(model, config)
    keras.config.set_dtype_policy(before)
    with pytest.raises(ValueError, match=REFUSED):
        keras_alt.quantize_model(model, config)

    for layer in model.layers:
        layer.dtype_policy = "float32"
    x = sample(model, rng)
    assert keras_alt.verify(keras_alt.quantize_model(model, config, calibration_data=x), x)


@pytest.mark.parametrize("batch_norm", ["fold", "train"])
def test_one_layer_of_another_precision_is_enough(policy, batch_norm):
    x = inputs = keras.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(3, 3, padding="same")(x))
    last = L.Conv2D(3, 3, name="last")
    model = keras.Model(inputs, last(L.Add(name="sum")([x, inputs])))
    for name in ("last", "sum"):
        model.get_layer(name).dtype_policy = policy
        with pytest.raises(ValueError, match=f"Received: dtype=.*layer '{name}'"):
            keras_alt.quantize_model(model, QuantizeConfig(batch_norm=batch_norm))
        model.get_layer(name).dtype_policy = "float32"
    keras_alt.quantize_model(model, QuantizeConfig(batch_norm=batch_norm))


def test_a_layer_without_widths_is_its_twin(policy, rng):
    x = rng.normal(size=(2, 3))
    quant, twin = QuantDense(4, **FLOAT, dtype=policy), L.Dense(4, dtype=policy)
    for layer in (quant, twin):
        layer.build((None, 3))
    quant.set_weights(twin.get_weights())
    leaky = QuantLeakyReLU(0.3, internal_bits=None, activation_bits=None, dtype=policy)
    for a, b in ((quant, twin), (leaky, L.LeakyReLU(0.3, dtype=policy))):
        np.testing.assert_array_equal(numbers(a(x)), numbers(b(x)))


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
