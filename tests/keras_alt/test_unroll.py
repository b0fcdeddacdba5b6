"""Recurrent layers step by step: the same function, and integers to the last step."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_function, assert_same_outputs
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, quantizers
from keras_alt.graph import Graph

CELLS = {
    "lstm": L.LSTM,
    "gru": L.GRU,
    "gru that resets before": lambda *a, **k: L.GRU(*a, reset_after=False, **k),
    "simple": L.SimpleRNN,
}
SETTINGS = {
    "plain": {},
    "sequences": {"return_sequences": True},
    "backwards": {"return_sequences": True, "go_backwards": True},
    "without biases": {"use_bias": False},
    "other activation": {"activation": "relu", "kernel_regularizer": "l2"},
}
OTHERS = {
    "a cell of its own": lambda: L.RNN(L.LSTMCell(3)),
    "hard gates": lambda: L.GRU(3, recurrent_activation="hard_sigmoid"),
    "tanh gates": lambda: L.LSTM(3, recurrent_activation="tanh"),
    "both ways": lambda: L.Bidirectional(L.GRU(3)),
    "both ways, sequences": lambda: L.Bidirectional(L.LSTM(3, return_sequences=True), "sum"),
    "both ways, apart": lambda: L.Bidirectional(L.SimpleRNN(3, return_sequences=True), None),
    "both ways, of two kinds": lambda: L.Bidirectional(
        L.GRU(3), "ave", backward_layer=L.LSTM(3, go_backwards=True)
    ),
}


def around(layer, steps=5):
    inputs = keras.Input((steps, 4))
    return with_biases(keras.Model(inputs, layer(inputs)))


def with_biases(model):
    """Give every bias values that matter; return the model."""
    rng = np.random.default_rng(7)
    for variable in model.weights:
        if variable.name == "bias":
            variable.assign(rng.normal(size=variable.shape))
    return model


def recurrent(model):
    return [c.layer for c in Graph(model).calls if isinstance(c.layer, (L.RNN, L.Bidirectional))]


@pytest.mark.check
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_steps_keep_the_function(cell, settings, rng):
    model = around(CELLS[cell](3, **SETTINGS[settings]))

    result = keras_alt.unroll(model)

    assert recurrent(model) and not recurrent(result)
    assert_same_function(model, result, rng)


@pytest.mark.check
@pytest.mark.parametrize("kind", OTHERS)
def test_other_forms_keep_the_function(kind, rng):
    model = around(OTHERS[kind]())
    result = keras_alt.unroll(model)
    assert not recurrent(result)
    assert_same_function(model, result, rng)


@pytest.mark.check
@pytest.mark.parametrize("cell", CELLS)
def test_one_step_keeps_the_function(cell, rng):
    model = around(CELLS[cell](3, return_sequences=True), steps=1)
    assert_same_function(model, keras_alt.unroll(model), rng)


@pytest.mark.check
@pytest.mark.parametrize("cell", CELLS)
def test_states_go_from_layer_to_layer(cell, rng):
    first, second, x = CELLS[cell](3, return_state=True), CELLS[cell](3), keras.Input((5, 4))
    result, *states = first(x)
    model = with_biases(keras.Model(x, [result, *states, second(x, initial_state=states)]))

    assert not recurrent(keras_alt.unroll(model))
    assert_same_function(model, keras_alt.unroll(model), rng)


@pytest.mark.check
def test_a_layer_that_is_called_twice_stays_one(rng):
    layer, first, second = L.LSTM(3, name="loop"), keras.Input((5, 4)), keras.Input((2, 4))
    model = keras.Model([first, second], L.Concatenate()([layer(first), layer(second)]))

    result = keras_alt.unroll(model)

    assert result.count_params() == model.count_params()
    assert_same_function(model, result, rng)


@pytest.mark.check
def test_nested_models_and_frozen_layers_are_kept(rng):
    inner = keras.Sequential([keras.Input((5, 4)), L.GRU(3, name="loop", trainable=False)])
    model = keras.Sequential([keras.Input((5, 4)), inner, L.Dense(2, name="head")])

    result = keras_alt.unroll(model)

    assert {v.path.split("/")[0] for v in result.trainable_variables} == {"head"}
    assert_same_function(model, result, rng)


def masked():
    inputs = keras.Input((5,), dtype="int32")
    return keras.Model(inputs, L.LSTM(3, name="loop")(L.Embedding(6, 4, mask_zero=True)(inputs)))


def alone(layer, size=(5, 4)):
    return lambda: keras.Sequential([keras.Input(size), layer(name="loop")])


LEFT = {
    "it is masked": masked,
    "its number of steps is open": alone(lambda name: L.GRU(3, name=name), (None, 4)),
    "it has dropout": alone(lambda name: L.LSTM(3, dropout=0.2, name=name)),
    "its cell is not that of LSTM, GRU or SimpleRNN": alone(
        lambda name: L.RNN([L.LSTMCell(3), L.GRUCell(3)], name=name)
    ),
    "it has constraints or regularizers": alone(
        lambda name: L.LSTM(3, kernel_constraint="max_norm", name=name)
    ),
    "its recurrent activation is not a sigmoid": alone(
        lambda name: L.GRU(3, recurrent_activation="tanh", name=name)
    ),
    "its states are read or given": alone(
        lambda name: L.Bidirectional(L.LSTM(3, return_state=True), name=name)
    ),
}


@pytest.mark.check
@pytest.mark.parametrize("reason", LEFT)
def test_what_stays_is_told(reason):
    with pytest.warns(UserWarning, match=f"loop: {reason}"):
        result = keras_alt.unroll(LEFT[reason]())
    assert [layer.name for layer in recurrent(result)] == ["loop"]


@pytest.mark.check
def test_a_stateful_layer_stays():
    inputs = keras.Input(batch_shape=(2, 5, 4))
    model = keras.Model(inputs, L.GRU(3, stateful=True, name="loop")(inputs))
    with pytest.warns(UserWarning, match="loop: it keeps its state between batches"):
        keras_alt.unroll(model)


def classifier(layer, steps):
    return keras.Sequential([keras.Input((steps, 4), name="x"), layer, L.Dense(2, name="head")])


@pytest.mark.check
@pytest.mark.parametrize("cell", CELLS)
def test_steps_share_weights_and_thresholds(cell):
    def quantized(steps):
        model = keras_alt.unroll(classifier(CELLS[cell](3, name="loop"), steps))
        return keras_alt.quantize_model(model, QuantizeConfig(target="litert"))

    few, many = quantized(3), quantized(6)
    assert list(quantizers(few)) == list(quantizers(many))
    assert few.count_params() == many.count_params()
    assert not keras_alt.report(many).floats


@pytest.mark.check
def test_a_quantized_model_is_refused():
    model = keras_alt.quantize_model(classifier(L.LSTM(3), 3))
    with pytest.raises(ValueError, match="call it before `quantize_model`"):
        keras_alt.unroll(model)


@pytest.mark.parametrize("kind", [*CELLS, "tanh gates", "both ways"])
def test_steps_are_integers(kind, rng):
    layer = CELLS[kind](3) if kind in CELLS else OTHERS[kind]()
    inputs = keras.Input((4, 4))
    float_model = keras.Model(inputs, L.Dense(2)(layer(inputs)))
    x = rng.normal(size=(16, 4, 4)).astype("float32")
    config = QuantizeConfig(target="litert")

    model = keras_alt.quantize_model(keras_alt.unroll(with_biases(float_model)), config, x)

    assert not keras_alt.report(model).floats
    assert keras_alt.verify(model, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.backend
@pytest.mark.parametrize(("cell", "ending"), [("gru", "keras"), ("lstm", "h5")])
def test_steps_train_and_load(cell, ending, rng, tmp_path):
    x = rng.normal(size=(64, 3, 4)).astype("float32")
    y = (x[:, 0, 0] > x[:, 2, 0]).astype("int32")
    float_model = keras_alt.unroll(classifier(CELLS[cell](4, name="loop"), 3))
    model = keras_alt.quantize_model(float_model, QuantizeConfig(target="onnx"), x)
    before = model.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras_alt.optimizers.alt(1e-2, batch_size=32), loss, run_eagerly=EAGER)

    history = model.fit(x, y, batch_size=32, epochs=4, verbose=0).history["loss"]
    model.save(tmp_path / f"model.{ending}")

    assert history[-1] < history[0]
    trained = zip(model.weights, before, model.get_weights(), strict=True)
    trained = [(old, new) for v, old, new in trained if v.name in ("kernel", "bias")]
    assert all((old != new).any() for old, new in trained)
    assert_same_outputs(model, keras.models.load_model(tmp_path / f"model.{ending}"), x)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(("target", "engine"), [("litert", "litert"), ("onnx", "onnxruntime")])
def test_engines_compute_the_steps(target, engine, rng):
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}[target])
    x = rng.normal(size=(16, 3, 4)).astype("float32")
    float_model = keras_alt.unroll(with_biases(classifier(L.GRU(4), 3)))
    model = keras_alt.quantize_model(float_model, QuantizeConfig(target=target), x)
    assert keras_alt.verify(model, x, engine=engine, verbose=False).mismatches == 0
