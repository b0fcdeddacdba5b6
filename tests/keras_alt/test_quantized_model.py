"""A quantized model keeps names, is not trained uncalibrated, and is saved by one process."""

import keras
import numpy as np
import pytest
from conftest import EAGER, outputs
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.export import to_litert, to_onnx

LOSSES = {"cls": keras.losses.MeanSquaredError(), "reg": keras.losses.MeanSquaredError()}


def two_heads():
    inputs = keras.Input((6, 6, 2), name="image")
    x = L.Flatten()(L.Conv2D(3, 3, name="conv")(inputs))
    heads = [L.Dense(3, activation="softmax", name="cls")(x), L.Dense(2, name="reg")(x)]
    return keras.Model(inputs, heads)


def nested_heads():
    x = inputs = keras.Input((6, 6, 2), name="image")
    x = L.Flatten()(L.Conv2D(3, 3, name="conv")(x))
    features = keras.Input((48,))
    heads = (
        keras.Model(features, L.Dense(size, activation="relu", name="last")(features), name=name)
        for name, size in {"cls": 3, "reg": 2}.items()
    )
    return keras.Model(inputs, [head(x) for head in heads])


def data(rng):
    x = rng.normal(size=(8, 6, 6, 2)).astype("float32")
    return x, {"cls": np.zeros((8, 3), "float32"), "reg": np.zeros((8, 2), "float32")}


def test_files_are_written_without_the_distribution(monkeypatch, tmp_path):
    # Under one, Keras waits for the other processes.
    q, seen = keras_alt.quantize_model(two_heads()), []
    see = lambda *_: seen.append(keras.distribution.distribution())  # noqa: E731
    for name in ("save", "save_weights"):
        monkeypatch.setattr(keras.Model, name, see)
    keras.distribution.set_distribution("several processes")
    try:
        q.save(tmp_path / "q.keras")
        q.save_weights(tmp_path / "q.weights.h5")
        assert keras.distribution.distribution() == "several processes"
    finally:
        keras.distribution.set_distribution(None)
    assert seen == [None, None]


def trained(model, x, y, eager):
    model.compile("adam", LOSSES, metrics={"reg": ["mae"]}, run_eagerly=eager)
    return model.fit(x, y, verbose=0).history


@pytest.mark.backend
@pytest.mark.parametrize("make", [two_heads, nested_heads])
def test_outputs_keep_their_names(make, rng, tmp_path):
    x, y = data(rng)
    q = keras_alt.quantize_model(make(), calibration_data=x)
    q.save(tmp_path / "model.keras")
    q.save(tmp_path / "model.h5")
    copies = [
        q,
        keras.models.load_model(tmp_path / "model.keras"),
        keras.models.load_model(tmp_path / "model.h5", compile=False),
        keras.models.clone_model(q),
        keras_alt.retarget(q, "litert", calibration_data=x),
    ]
    for copy in copies:
        assert copy.output_names == ["cls", "reg"]
        assert [tensor.name for tensor in copy.inputs] == ["image"]
    history = trained(copies[1], x, y, eager=EAGER)
    assert {"cls_loss", "reg_loss", "reg_mae"} <= set(history)
    assert [value.shape for value in outputs(q, x)] == [(8, 3), (8, 2)]


def test_files_keep_the_names_of_outputs(rng, tmp_path):
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    x, _ = data(rng)
    q = keras_alt.quantize_model(two_heads(), QuantizeConfig(target="litert"), calibration_data=x)
    assert keras_alt.verify(q, x, engine="litert", verbose=False)
    to_litert(q, tmp_path / "model.tflite")
    runner = Interpreter(str(tmp_path / "model.tflite")).get_signature_runner()
    assert sorted(runner.get_output_details()) == ["cls", "reg"]
    assert list(runner.get_input_details()) == ["image"]
    q = keras_alt.retarget(q, "onnx")
    assert keras_alt.verify(q, x, engine="onnxruntime", verbose=False)
    to_onnx(q, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [output.name for output in graph.output] == ["cls", "reg"]


@pytest.mark.backend
@pytest.mark.parametrize("eager", [False, True])
def test_an_uncalibrated_model_is_not_trained(eager, rng):
    x, y = data(rng)
    q = keras_alt.quantize_model(two_heads())
    before = [weight.copy() for weight in q.get_weights()]
    q.compile("adam", LOSSES, run_eagerly=eager)
    with pytest.raises(ValueError, match=r"no threshold for image/input, conv/kernel"):
        q.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="call `keras_alt.calibrate"):
        q.train_on_batch(x, y)
    for a, b in zip(before, q.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    keras_alt.calibrate(q, x, verbose=False)
    assert np.isfinite(trained(q, x, y, eager)["loss"]).all()


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="inside `jit`, values of variables are not known"
)
@pytest.mark.parametrize("eager", [False, True])
def test_an_uncalibrated_model_inside_another_is_not_trained(eager, rng):
    x, _ = data(rng)
    inputs = keras.Input((6, 6, 2))
    outer = keras.Model(inputs, keras_alt.quantize_model(two_heads())(inputs)[1])
    outer.compile("adam", "mse", run_eagerly=eager)
    with pytest.raises(ValueError, match="Every threshold must be set"):
        outer.fit(x, np.zeros((8, 2)), verbose=0)


def test_a_model_in_which_nothing_is_quantized_stays_as_it_is():
    model = keras.Sequential([keras.Input((4,)), L.Softmax()])
    assert type(keras_alt.quantize_model(model)) is type(keras.Model(model.inputs, model.outputs))


@pytest.mark.full
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_deep_model_loads(ending, tmp_path):
    x = inputs = keras.Input((2,))
    dense = L.Dense(2)
    for _ in range(500):
        x = dense(x)
    model = keras_alt.quantize_model(keras.Model(inputs, x))
    model.save(tmp_path / f"model.{ending}")
    loaded = keras.models.load_model(tmp_path / f"model.{ending}")
    assert len(loaded.operations) == len(model.operations)
