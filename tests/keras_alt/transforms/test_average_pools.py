"""Average pools become depthwise convolutions or means."""

import keras
import numpy as np
import pytest
from conftest import assert_same_function, types
from keras import layers as L

from keras_alt.transforms import (
    average_pool_to_depthwise,
    average_pool_to_mean,
    inline,
    mean_to_average_pool,
)

pytestmark = pytest.mark.check


@pytest.mark.backend
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_mean_is_a_depthwise_convolution_by_the_reciprocal(keepdims, rng):
    model = keras.Sequential([keras.Input((7, 7, 3)), L.GlobalAveragePooling2D(keepdims=keepdims)])
    result = average_pool_to_depthwise(mean_to_average_pool(inline(model)))
    pool = next(layer for layer in result.layers if isinstance(layer, L.DepthwiseConv2D))
    assert not pool.trainable_variables
    np.testing.assert_array_equal(pool.get_weights()[0], np.float32(1 / 49) * np.ones((7, 7, 3, 1)))
    assert_same_function(model, result, rng)


def test_a_pool_that_divides_by_valid_cells_stays(rng):
    padded = keras.Sequential([keras.Input((7, 7, 3)), L.AveragePooling2D(2, padding="same")])
    aligned = keras.Sequential([keras.Input((8, 8, 3)), L.AveragePooling2D(2, padding="same")])
    assert L.AveragePooling2D in types(average_pool_to_depthwise(inline(padded)))
    result = average_pool_to_depthwise(inline(aligned))
    assert L.AveragePooling2D not in types(result)
    assert_same_function(aligned, result, rng)


def test_a_pool_over_the_whole_image_is_a_mean(rng):
    whole = keras.Sequential([keras.Input((7, 7, 3)), L.AveragePooling2D(7)])
    moving = keras.Sequential(
        [keras.Input((7, 7, 3)), L.AveragePooling2D(7, strides=1, padding="same")]
    )
    result = average_pool_to_mean(inline(whole))
    assert L.AveragePooling2D not in types(result)
    assert_same_function(whole, result, rng)
    assert L.AveragePooling2D in types(average_pool_to_mean(inline(moving)))
