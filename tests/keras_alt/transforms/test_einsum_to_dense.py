"""Sums over whole axes become dense layers."""

import keras
import pytest
from conftest import assert_same_function
from keras import layers as L

from keras_alt.transforms import einsum_to_dense

pytestmark = pytest.mark.check


EINSUMS = {
    "abc,cd->abd": ((3, 5), "d"),
    "abc,cde->abde": ((3, 5, 6), "de"),
    "abc,ced->abde": ((3, 5, 6), "e"),
    "abc,bcd->ad": ((5,), "d"),
    "abc,cbd->ad": ((5,), None),
    "abc,bd->adc": ((5, 4), "d"),
    "abc,bde->adce": ((5, 4, 6), "de"),
    "abc,c->ab": ((3,), None),
    "...c,cd->...d": ((3, 5), "d"),
    "ab...,bd->ad...": ((5,), None),
}


@pytest.mark.parametrize("equation", EINSUMS)
def test_a_sum_over_whole_axes_is_a_dense_layer(equation, rng):
    inputs, (shape, bias) = keras.Input((3, 4)), EINSUMS[equation]
    einsum = L.EinsumDense(equation, shape, "relu", bias, bias_initializer="normal", name="sum")
    model = keras.Model(inputs, einsum(inputs))
    result = einsum_to_dense(model)
    assert type(result.get_layer("sum")) is L.Dense
    assert_same_function(model, result, rng)


@pytest.mark.parametrize(
    ("equation", "shape", "bias"), [("abc,bcd->abd", (3, 5), None), ("abc,cd->abd", (3, 5), "bd")]
)
def test_a_sum_that_differs_along_an_axis_stays(equation, shape, bias):
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, L.EinsumDense(equation, shape, bias_axes=bias)(inputs))
    assert einsum_to_dense(model) is model
