"""Zero padding becomes the padding of the convolution that reads it."""

import keras
import pytest
from conftest import assert_same_function, types
from keras import layers as L

from keras_alt.transforms import absorb_zero_padding, inline

pytestmark = pytest.mark.check


@pytest.mark.backend
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("linear", [L.Conv2D, L.DepthwiseConv2D])
def test_padding_by_the_same_rule_is_absorbed(linear, size, rng):
    arguments = (4, 3) if linear is L.Conv2D else (3,)
    around = ((0, 1), (0, 1)) if size % 2 == 0 else 1
    layers = [L.ZeroPadding2D(around), linear(*arguments, strides=2, bias_initializer="ones")]
    model = inline(keras.Sequential([keras.Input((size, size, 3)), *layers]))

    result = absorb_zero_padding(model)

    assert L.ZeroPadding2D not in types(result)
    assert_same_function(model, result, rng)


def test_other_padding_stays():
    inputs = keras.Input((8, 8, 3))
    uneven = L.Conv2D(4, 3, strides=2)(L.ZeroPadding2D(1)(inputs))
    read_twice = L.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    shared = L.Conv2D(4, 3, strides=2)
    once = shared(L.ZeroPadding2D(((0, 1), (0, 1)))(inputs))
    outputs = [uneven, L.Conv2D(4, 3, strides=2)(read_twice), read_twice, once, shared(inputs)]
    assert types(absorb_zero_padding(keras.Model(inputs, outputs))).count(L.ZeroPadding2D) == 3
