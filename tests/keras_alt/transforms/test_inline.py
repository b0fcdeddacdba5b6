"""Inlining: nested models become their layers, with copies of their weights."""

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_function, assert_same_outputs, types
from keras import layers as L

from keras_alt.transforms import inline

pytestmark = pytest.mark.check


def test_inlining_copies_layers_and_keeps_sharing(rng):
    model = models.siamese()

    flat = inline(model)

    assert sum(layer.name.startswith("conv") for layer in flat.layers) == 1
    before = flat.get_weights()[0].copy()
    kernel = model.get_layer("tower").layers[0].kernel
    kernel.assign_add(keras.ops.ones(kernel.shape))
    np.testing.assert_array_equal(flat.get_weights()[0], before)


@pytest.mark.parametrize("axis", [-1, None])
def test_an_adapted_layer_stays_adapted(axis, rng):
    norm = L.Normalization(axis)
    norm.adapt(rng.normal(3.0, 2.0, (32, 4)))
    model = keras.Sequential([keras.Input((4,)), norm, L.Dense(3)])
    assert_same_outputs(model, inline(model), rng.normal(size=(8, 4)))


@pytest.mark.tensorflow_only
def test_an_adapted_vocabulary_is_kept(rng):
    words = rng.integers(5, 40, (32, 6))
    lookup = L.IntegerLookup(mask_token=0)
    lookup.adapt(words)
    inputs = keras.Input((6,), dtype="int64")
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Embedding(40, 2)(lookup(inputs)))))
    assert_same_outputs(model, inline(model), words)


def test_a_sequential_model_keeps_its_name():
    layers = [keras.Input((3,)), keras.layers.Dense(2)]

    assert inline(keras.Sequential(layers, name="net")).name == "net"


def test_an_unbuilt_model_is_an_error():
    with pytest.raises(ValueError, match="call it once on data"):
        inline(keras.Sequential([L.Dense(3)]))
    with pytest.raises(ValueError, match="call it once on data"):
        inline(models.Subclassed())


def test_masks_reach_the_layers_of_a_nested_model(rng):
    inner = keras.Sequential([keras.Input((6, 3)), L.GlobalAveragePooling1D()])
    x = keras.Input((6,), dtype="int32")
    model = keras.Model(x, inner(L.Embedding(9, 3, mask_zero=True)(x)))
    assert_same_outputs(model, inline(model), np.array([[1, 2, 3, 0, 0, 0]]))


@keras.saving.register_keras_serializable("test_inline")
class Scaled(L.Layer):
    """A layer that has both layers and a weight."""

    def build(self, input_shape):
        self.dense = L.Dense(3)
        self.dense.build(input_shape)
        self.gain = self.add_weight(shape=(3,), initializer="ones", name="gain")

    def call(self, x):
        return self.dense(x) * self.gain


def test_a_layer_with_a_weight_of_its_own_stays_one(rng):
    model = keras.Sequential([keras.Input((4,)), L.Dense(4), Scaled()])
    model.layers[1].gain.assign([2.0, 3.0, 4.0])
    result = inline(model)
    assert types(result)[1:] == [L.Dense, Scaled]
    assert_same_function(model, result, rng)
    result.layers[2].gain.assign([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(model.layers[1].gain.numpy(), [2.0, 3.0, 4.0])


def test_a_weight_that_no_layer_has_is_an_error():
    x = keras.Input((3,))
    offset = keras.Variable(np.ones(3, "float32"), name="offset")
    with pytest.raises(ValueError, match="copied with their layers.*of variable 'offset'"):
        inline(keras.Model(x, L.Dense(3)(x) + offset))
