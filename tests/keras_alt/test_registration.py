"""Layers from outside: a function, a twin of a Keras layer, an operator."""

import keras
import numpy as np
import pytest
from conftest import EAGER, outputs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt.functions import FUNCTIONS
from keras_alt.layers import QuantConv2D, QuantFunction
from keras_alt.operators import MOVE, OPERATORS
from keras_alt.transforms.as_keras import TWINS


@keras.saving.register_keras_serializable(package="test_registration")
class Swash(L.Layer):
    def call(self, x):
        return x * ops.sigmoid(1.7 * x)


@keras.saving.register_keras_serializable(package="test_registration")
class NamedConv2D(L.Conv2D):
    """A convolution with an argument of its own."""

    def __init__(self, *args, label="", **kwargs):
        super().__init__(*args, **kwargs)
        self.label = label

    def get_config(self):
        return {**super().get_config(), "label": self.label}


@pytest.fixture(autouse=True)
def tables():
    """Restore the tables."""
    before = [(table, dict(table)) for table in (FUNCTIONS, OPERATORS, TWINS)]
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)


def network():
    x = inputs = keras.Input((6, 6, 2))
    x = Swash(name="swash")(NamedConv2D(4, 3, label="first", name="conv")(x))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Conv2D(2, 1)(x))))


def test_layers_from_outside_stay_float_unless_registered():
    floats = keras_alt.report(keras_alt.quantize_model(network())).floats
    assert {row.name for row in floats} == {"conv", "swash"}


@pytest.mark.parametrize(("target", "engine"), [("litert", "litert"), ("paper", "integer")])
def test_registered_layers_go_all_the_way(target, engine, rng, tmp_path):
    keras_alt.register(Swash, function=lambda layer: lambda x: x / (1 + np.exp(-1.7 * x)))
    keras_alt.register(NamedConv2D, like=L.Conv2D)
    x, model = rng.normal(size=(32, 6, 6, 2)).astype("float32"), network()

    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target), x)
    q.compile(keras_alt.optimizers.alt(), "mse", run_eagerly=EAGER)
    (y,) = outputs(model, x)
    q.fit(x, y, verbose=0)
    q.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")

    assert isinstance(loaded.get_layer("conv"), QuantConv2D)
    assert isinstance(loaded.get_layer("swash"), QuantFunction)
    assert not keras_alt.report(loaded).floats
    assert keras_alt.verify(loaded, x, engine=engine, verbose=False).mismatches == 0
    assert np.abs(outputs(q, x)[0] - y).max() < 0.1 * np.abs(y).max()


def test_an_operator_is_entered_as_it_is():
    keras_alt.register(Swash, operator=MOVE)
    assert OPERATORS[Swash] is MOVE


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (Swash, {}, "Received: none"),
        (Swash, {"like": L.ReLU, "operator": MOVE}, "Received: like, operator"),
        (np.sin, {"operator": MOVE}, "must be a type of Keras layer"),
    ],
)
def test_wrong_arguments_are_refused(layer, arguments, message):
    with pytest.raises(TypeError, match=message):
        keras_alt.register(layer, **arguments)
