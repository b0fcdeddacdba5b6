"""Enlarged images are exact integers, and what resizes the input stays in front of them."""

import keras
import numpy as np
import pytest
from exported import quantized
from keras import layers as L

import keras_alt
from keras_alt import integer
from keras_alt.quantizer import quantizers


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (4, 2), (8, 1)], ids=str)
def test_a_bilinear_enlargement_is_that_of_keras(size, rng):
    inputs = keras.Input((3, 4, 2))
    x = L.Conv2D(2, 1, name="conv")(inputs)
    x = L.UpSampling2D(size, interpolation="bilinear", name="up")(x)
    model, x = quantized(keras.Model(inputs, x), rng, "onnx")
    quantizers(model)["up/output"].set_threshold(2.0**6)  # a grid that is as coarse as can be
    result = keras_alt.verify(model, x, verbose=False)
    assert (result.mismatches, result.total) == (0, len(x) * 3 * size[0] * 4 * size[1] * 2)


def test_an_enlargement_of_the_input_stays_float(rng):
    inputs = keras.Input((3, 3, 2))
    x = L.Conv2D(2, 3, name="conv")(L.Resizing(6, 6, name="resizing")(inputs))
    model, _ = quantized(keras.Model(inputs, x), rng, "litert")
    assert list(quantizers(model)) == ["resizing/output", "conv/kernel", "conv/output"]
    (row,) = keras_alt.report(model).floats
    assert (row.name, row.reason.split(",")[0]) == ("resizing", "prepares the input")


def test_weights_that_are_no_binary_fractions_stay_float(rng):
    inputs = keras.Input((3, 3, 2))
    x = L.UpSampling2D(3, interpolation="bilinear", name="up")(L.Conv2D(2, 1)(inputs))
    model, _ = quantized(keras.Model(inputs, L.Conv2D(2, 1)(x)), rng, "litert")
    (row,) = keras_alt.report(model).floats
    assert row.name == "up"
    assert integer.read(model).island_layers == ["up"]


def test_gradients_pass_through_an_enlargement(rng):
    inputs = keras.Input((3, 3, 2))
    x = L.Conv2D(2, 1, name="conv")(inputs)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    model, x = quantized(keras.Model(inputs, L.Conv2D(2, 3)(x)), rng, "litert")
    before = np.array(model.get_layer("conv").kernel)
    model.compile(keras_alt.optimizers.alt(batch_size=8), "mse")
    model.fit(x, np.ones((len(x), 4, 4, 2)), verbose=0)
    assert (np.array(model.get_layer("conv").kernel) != before).any()
    assert keras_alt.verify(model, x, verbose=False)
