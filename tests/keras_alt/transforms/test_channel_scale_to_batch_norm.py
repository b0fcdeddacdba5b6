"""Factors and offsets of channels become batch norms, which fold."""

import keras
import numpy as np
import pytest
from conftest import assert_same_function, types
from keras import layers as L
from keras import ops

from keras_alt import QuantizeConfig
from keras_alt.transforms import canonical, channel_scale_to_batch_norm

pytestmark = pytest.mark.check


def channel_scale(x):
    from keras.src.applications.convnext import LayerScale

    return LayerScale(0.25, x.shape[-1])(x)


@pytest.mark.parametrize(
    "scaled",
    [
        channel_scale,
        lambda x: x * np.array([1.0, 2.0, -3.0]),
        lambda x: x / np.array([[1.0], [2.0], [3.0], [4.0]]),
        lambda x: x + np.array([1.0, 2.0, 3.0]),
        lambda x: ops.subtract(np.array([1.0, 2.0, 3.0]), x),
        L.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0]),
        L.Normalization(axis=1, mean=[0.0, 1.0, 2.0, 3.0], variance=[0.5] * 4, invert=True),
        L.Normalization(axis=None, mean=1.0, variance=4.0),
    ],
    ids=[
        *("LayerScale", "product", "quotient of columns", "sum", "difference"),
        *("normalization", "inverted normalization of columns", "normalization of all"),
    ],
)
def test_factors_and_offsets_of_channels_are_folded(scaled, rng):
    inputs = keras.Input((6, 6, 3))
    x = scaled(L.Conv2D(3, 3, use_bias=False)(inputs))
    model = keras.Model(inputs, L.Conv2D(2, 1)(x))
    result = canonical(model, QuantizeConfig(target="litert"))
    kinds = {*types(result)} - {keras.layers.InputLayer}
    assert kinds <= {L.Conv2D, L.DepthwiseConv2D, L.Permute}
    assert_same_function(model, result, rng)


def test_a_vector_that_prepares_the_input_or_shapes_the_output_stays(rng):
    inputs, vector = keras.Input((6, 6, 3)), np.array([1.0, 2.0, 3.0])
    model = keras.Model(inputs, L.Conv2D(3, 3)(inputs * vector) + vector)
    assert channel_scale_to_batch_norm(model) is model
