"""Bounds that no value reaches are dropped."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs
from keras import layers as L

import keras_alt
from keras_alt.graph import Graph
from keras_alt.layers import CappedReLU


def network():
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="relu6", name="low")(inputs)
    x = L.ReLU(6.0, name="high")(L.Dense(5, name="wide")(x))
    model = keras.Model(inputs, L.Dense(2)(L.BatchNormalization(name="norm")(x)))
    kernel, bias = model.get_layer("wide").get_weights()
    model.get_layer("wide").set_weights([kernel * 100, bias])
    return model


@pytest.mark.parametrize("equalized", [False, True])
def test_only_bounds_that_nothing_reaches_are_dropped(equalized, rng):
    x = rng.normal(size=(32, 6))
    model = keras_alt.equalize(network(), x, verbose=False) if equalized else network()
    dropped = keras_alt.drop_caps(model, x, verbose=False)
    assert_same_outputs(model, dropped, x)
    relus = [c for c in dropped.layers if isinstance(c, (L.ReLU, L.Activation, CappedReLU))]
    bounds = {layer.name: getattr(layer, "max_value", "caps") for layer in relus}
    assert len(bounds) == 2
    assert bounds["high"] == ("caps" if isinstance(relus[1], CappedReLU) else 6.0)
    assert [bound for name, bound in bounds.items() if name != "high"] == [None]


def test_beyond_the_data_the_function_changes(rng):
    x = rng.normal(size=(32, 6))
    dropped = keras_alt.drop_caps(network(), x, verbose=False)
    wide = next(c for c in Graph(dropped).calls if c.layer.name == "wide")
    low = keras.Model(dropped.inputs, wide.inputs)
    (values,) = outputs(low, np.concatenate([1e3 * x, -1e3 * x]))
    assert values.max() > 6
    assert "norm" in [layer.name for layer in dropped.layers]


def test_a_network_without_bounds_stays(rng):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(3, activation="relu")(inputs))
    x = rng.normal(size=(8, 6))
    assert_same_outputs(model, keras_alt.drop_caps(model, x, verbose=False), x)


def test_a_quantized_network_is_refused(rng):
    with pytest.raises(ValueError, match="`drop_caps` expects a float model"):
        keras_alt.drop_caps(keras_alt.quantize_model(network()), rng.normal(size=(8, 6)))
