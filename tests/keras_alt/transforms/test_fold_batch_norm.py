"""Batch norms fold into linear layers, or become depthwise convolutions."""

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_function, randomize, types
from keras import layers as L

from keras_alt.transforms import fold_batch_norm, inline
from keras_alt.transforms.batch_norm_to_depthwise import affine

pytestmark = pytest.mark.check


@pytest.mark.backend
@pytest.mark.parametrize(
    "linear",
    [
        lambda: L.Conv2D(4, 3, use_bias=False),
        lambda: L.Conv2D(4, 3, groups=1, bias_initializer="ones"),
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: L.Conv2DTranspose(4, 3),
        lambda: L.Dense(4),
    ],
)
def test_folding_removes_the_norm_and_keeps_the_function(linear, rng):
    model = keras.Sequential([keras.Input((6, 6, 3)), linear(), L.BatchNormalization(), L.ReLU()])
    model = inline(randomize(model, rng))

    folded = fold_batch_norm(model)

    assert L.BatchNormalization not in types(folded)
    assert len(folded.layers) == len(model.layers) - 1
    assert_same_function(model, folded, rng)


@pytest.mark.backend
def test_folding_values():  # check 51
    norm = L.BatchNormalization(epsilon=1e-3)
    norm.build((None, 1))
    for variable, value in zip(norm.weights, (2.0, 0.5, 1.0, 3.0), strict=True):
        variable.assign([value])
    factor, offset = affine(norm)
    np.testing.assert_allclose([factor[0], factor[0] * 0.7], [1.15450814, 0.80815570], rtol=1e-6)
    np.testing.assert_allclose(offset[0], -0.65450814, rtol=1e-6)


def test_a_norm_without_a_linear_layer_becomes_depthwise(rng):
    model = randomize(models.dense_block(), rng)
    folded = fold_batch_norm(inline(model))
    assert types(folded).count(L.DepthwiseConv2D) == 2
    assert_same_function(model, folded, rng)


@pytest.mark.parametrize("shape", [(5,), (6, 5), (6, 5, 4), (2, 3, 4, 5)], ids=len)
def test_a_norm_of_any_axis_becomes_depthwise(shape, rng):
    inputs = keras.Input(shape)
    axes = range(1, len(shape) + 1)
    model = keras.Model(inputs, [L.BatchNormalization(axis=axis)(inputs) for axis in axes])
    folded = fold_batch_norm(inline(randomize(model, rng)))
    assert L.BatchNormalization not in types(folded)
    assert_same_function(model, folded, rng)


def test_a_norm_over_open_axes_stays_if_no_convolution_reads_them(rng):
    inputs = keras.Input((None, 3, 4, 5))
    model = keras.Model(inputs, L.BatchNormalization()(inputs))
    assert types(fold_batch_norm(inline(model))) == types(model)


def test_a_linear_layer_that_others_read_is_not_folded(rng):
    inputs = keras.Input((6, 6, 3))
    y = L.Conv2D(4, 3, name="conv")(inputs)
    model = randomize(keras.Model(inputs, [y, L.BatchNormalization(name="norm")(y)]), rng)
    folded = fold_batch_norm(model)
    assert isinstance(folded.get_layer("norm"), L.DepthwiseConv2D)
    assert_same_function(model, folded, rng)


def test_a_layer_keeps_its_name_for_calls_that_are_not_folded(rng):
    x = keras.Input((8, 8, 3))
    conv = L.Conv2D(4, 3, name="conv")
    model = keras.Model(x, [L.BatchNormalization(name="norm")(conv(x)), conv(x)])
    result = fold_batch_norm(inline(randomize(model, rng)))
    assert {layer.name for layer in result.layers[1:]} == {"conv", "conv_norm"}
    assert_same_function(model, result, rng)


class OwnNorm(L.BatchNormalization):
    """It says nothing, so it may compute anything."""


class OwnTraining(L.BatchNormalization):
    """It says that it infers like its parent."""

    infers_like_batch_norm = True


class OwnInference(OwnTraining):
    """What its parent says holds for the parent alone."""


@pytest.mark.parametrize(
    ("kind", "folds"), [(OwnNorm, False), (OwnTraining, True), (OwnInference, False)]
)
def test_a_subclass_is_folded_if_it_says_that_it_infers_like_its_parent(kind, folds):
    model = inline(keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3), kind()]))
    assert (kind not in types(fold_batch_norm(model))) is folds
