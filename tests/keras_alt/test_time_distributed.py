"""Layers and models that `TimeDistributed` wraps compute all time steps at once."""

import keras
import pytest
from conftest import assert_same_function, randomize
from keras import layers as L

from keras_alt.transforms import unwrap_time_distributed

DISTRIBUTED = {
    "dense": (lambda: L.Dense(5, activation="relu", bias_initializer="ones"), 3),
    "dense_on_images": (lambda: L.Dense(5), 4),
    "activation": (lambda: L.Activation("tanh"), 2),
    "dropout": (lambda: L.Dropout(0.5), 2),
    "norm": (L.BatchNormalization, 4),
    "softmax": (L.Softmax, 3),
    "flatten": (L.Flatten, 4),
    "reshape": (lambda: L.Reshape((3, -1)), 3),
    "conv": (lambda: L.Conv1D(5, 3, strides=2, padding="same", bias_initializer="ones"), 3),
    "dilated": (lambda: L.Conv1D(4, 2, dilation_rate=3, groups=2), 3),
    "conv_of_images": (lambda: L.Conv2D(5, (3, 2), strides=2, bias_initializer="ones"), 4),
    "max_pool_of_images": (lambda: L.MaxPooling2D((3, 2), 2, "same"), 4),
    "max_pool": (lambda: L.MaxPooling1D(3, 2, "same"), 3),
    "average_pool": (lambda: L.AveragePooling1D(2), 3),
    "global_average": (L.GlobalAveragePooling2D, 4),
    "global_max": (lambda: L.GlobalMaxPooling1D(keepdims=True), 3),
}
WRAPPED = {
    "depthwise": (lambda: L.DepthwiseConv2D(3), 4),
    "causal": (lambda: L.Conv1D(3, 3, padding="causal"), 3),
    "norm of rows": (lambda: L.BatchNormalization(axis=1), 3),
    "recurrent": (lambda: L.LSTM(3), 3),
}


def distributed(layer, rank):
    inputs = keras.Input((3, 6, 5, 4)[: rank - 1] + (4,))
    return keras.Model(inputs, L.TimeDistributed(layer(), name="wrapper")(inputs))


@pytest.mark.backend
@pytest.mark.parametrize("name", DISTRIBUTED)
def test_a_layer_of_time_steps_computes_them_at_once(name, rng):
    model = randomize(distributed(*DISTRIBUTED[name]), rng)

    result = unwrap_time_distributed(model)

    assert not any(isinstance(layer, L.TimeDistributed) for layer in result.layers)
    assert result.operations[-1].name == "wrapper"
    assert_same_function(model, result, rng)


@pytest.mark.parametrize("name", WRAPPED)
def test_other_layers_stay_wrapped(name):
    model = distributed(*WRAPPED[name])
    assert unwrap_time_distributed(model) is model


def test_masked_time_steps_stay_wrapped():
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, L.TimeDistributed(L.Dense(3))(L.Masking()(inputs)))
    assert unwrap_time_distributed(model) is model


def test_a_model_of_time_steps_becomes_its_layers(rng):
    x = frame = keras.Input((8, 8, 3))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(x)))
    x = L.MaxPooling2D(2)(L.Add()([x, L.Conv2D(4, 1)(x)]))
    network = keras.Model(frame, L.Dense(5)(L.GlobalAveragePooling2D()(x)), name="network")
    inputs = keras.Input((6, 8, 8, 3))
    model = randomize(keras.Model(inputs, L.Dense(3)(L.TimeDistributed(network)(inputs))), rng)

    result = unwrap_time_distributed(model)

    assert not any(isinstance(layer, L.TimeDistributed) for layer in result.layers)
    assert_same_function(model, result, rng)


def test_a_model_of_which_a_layer_has_no_form_keeps_that_layer_wrapped(rng):
    lines = keras.Sequential([keras.Input((6, 4)), L.Conv1D(4, 2), L.LSTM(3), L.Dense(2)])
    inputs = keras.Input((3, 6, 4))
    model = randomize(keras.Model(inputs, L.TimeDistributed(lines, name="lines")(inputs)), rng)

    result = unwrap_time_distributed(model)

    (wrapped,) = (layer for layer in result.layers if isinstance(layer, L.TimeDistributed))
    assert isinstance(wrapped.layer, L.LSTM)
    assert_same_function(model, result, rng)
