"""Codes need float32: other precisions are refused where something is quantized."""

import keras
import models
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint
from keras_alt.layers import QuantConv2D, QuantDense, QuantLeakyReLU
from keras_alt.quantizer import Quantizer

POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "float64")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: Quantizer(FixedPoint(8), initial_threshold=1.0, dtype=dtype),
        lambda dtype: QuantConv2D(4, 3, kernel_bits=8, dtype=dtype),
        lambda dtype: QuantDense(4, activation_bits=8, dtype=dtype),
        lambda dtype: QuantLeakyReLU(dtype=dtype),
    ],
)
def test_other_precisions_are_refused(make, policy):
    with pytest.raises(ValueError, match="are float32.*Received: dtype="):
        make(policy)(keras.Input((8, 8, 3)))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_model_of_another_precision_is_refused(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = models.residual()
    finally:
        keras.config.set_dtype_policy(before)
    with pytest.raises(ValueError, match=r"Give the network `dtype='float32'`"):
        keras_alt.quantize_model(model)


def test_a_layer_without_widths_is_its_twin_in_half_floats():
    x = np.ones((2, 3), "float16")
    widths = dict.fromkeys(
        ("kernel_bits", "bias_bits", "accumulator_bits", "activation_bits"), None
    )
    quant, twin = QuantDense(4, **widths, dtype="float16"), L.Dense(4, dtype="float16")
    for layer in (quant, twin):
        layer.build((None, 3))
    quant.set_weights(twin.get_weights())
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(quant(x)), keras.ops.convert_to_numpy(twin(x))
    )
