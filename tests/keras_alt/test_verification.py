"""`verify` finds no difference where there is none, and every one where there is."""

import keras
import models
import numpy as np
import pytest
from conftest import randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, Quantizer, integer
from keras_alt.engines import ENGINES
from keras_alt.engines.integer.run import IntegerEngine


@pytest.fixture
def quantized(rng):
    model = keras_alt.quantize_model(
        randomize(models.residual(), rng), QuantizeConfig(target="litert")
    )
    keras_alt.calibrate(model, sample(model, rng, 16), verbose=False)
    return model


@pytest.fixture
def small():
    inputs = keras.Input((4,))
    x = Quantizer(FixedPoint(8), initial_threshold=2.0)(inputs)
    return keras.Model(inputs, keras_alt.layers.QuantDense(3)(x))


@pytest.mark.backend
def test_the_integer_engine_agrees(quantized, rng):
    result = keras_alt.verify(quantized, sample(quantized, rng, 40), verbose=False)

    assert result
    assert (result.mismatches, result.max_lsb, result.first_difference) == (0, 0, None)
    assert (result.samples, result.total) == (40, 40 * 5)
    assert len(result.layers) > 8
    assert "0 of 200 output codes differ" in str(result)


@pytest.mark.backend
@pytest.mark.parametrize("engine", ["litert", "onnxruntime"])
def test_files_are_written_on_every_backend(engine, rng):
    pytest.importorskip({"litert": "ai_edge_litert"}.get(engine, engine))
    target = {"onnxruntime": "onnx"}.get(engine, engine)
    model = keras_alt.quantize_model(models.residual(), QuantizeConfig(target=target))
    x = sample(model, rng, 8)
    keras_alt.calibrate(model, x, verbose=False)

    assert keras_alt.verify(model, x, engine, verbose=False)


def test_every_output_is_compared(rng):
    model = keras_alt.quantize_model(models.two_outputs())
    x = sample(model, rng, 8)
    keras_alt.calibrate(model, x, verbose=False)

    assert keras_alt.verify(model, x, verbose=False).total == 8 * (5 + 1)


def test_a_hand_written_model_is_compared_at_its_end(rng):
    inputs = keras.Input((8, 8, 3))
    x = Quantizer(FixedPoint(8), initial_threshold=2.0)(inputs)
    x = keras_alt.layers.QuantConv2D(4, 3, activation="relu")(x)
    x = keras_alt.layers.QuantDense(5)(L.Flatten()(x))
    model = keras.Model(inputs, L.Softmax()(x))

    assert keras_alt.verify(model, sample(model, rng, 8), verbose=False).total == 8 * 5


def test_a_difference_is_found_and_placed(quantized, rng, monkeypatch):
    class Wrong(IntegerEngine):
        def compute(self, arrays, codes):
            values = super().compute(arrays, codes)
            for position in list(integer.read(quantized).taps.values())[3:]:
                values[position] = values[position] + 2
            return values

    monkeypatch.setitem(ENGINES, "integer", Wrong)
    result = keras_alt.verify(quantized, sample(quantized, rng, 8), verbose=False)

    assert not result
    assert result.max_lsb == 2
    assert result.mismatches == result.total == 8 * 5
    assert result.first_difference == result.layers[3]
    assert f"first at {result.layers[3].name}" in str(result)


def test_an_engine_must_be_known_and_fit(quantized, rng):
    x = sample(quantized, rng, 2)
    with pytest.raises(ValueError, match="Received: engine='tpu'"):
        keras_alt.verify(quantized, x, engine="tpu")
    with pytest.raises(ValueError, match=r"keras_alt.retarget\(model, target\)"):
        keras_alt.verify(quantized, x, engine="qonnx")


def test_a_model_that_proves_nothing_is_an_error(rng):
    with pytest.raises(ValueError, match="keras_alt.calibrate"):
        keras_alt.verify(keras_alt.quantize_model(models.residual()), np.zeros((1, 8, 8, 3)))
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="without any quantizer"):
        keras_alt.verify(keras.Model(inputs, L.Dense(2)(inputs)), np.zeros((1, 4)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), "expects shape"),
        (np.full((2, 4), np.nan), "must be finite"),
        (np.zeros((0, 4)), "at least one sample.*Received: 0 samples"),
        (np.float32(1), "expects shape"),
        ([np.zeros((2, 4))] * 2, "has 1 inputs"),
    ],
)
def test_inputs_that_prove_nothing_are_errors(x, message, small, tmp_path):
    with pytest.raises(ValueError, match=message):
        keras_alt.verify(small, x, bundle=tmp_path / "bundle", verbose=False)
    assert not list(tmp_path.iterdir())


def test_a_batch_has_samples(small):
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        keras_alt.verify(small, np.zeros((1, 4)), batch_size=0)


def test_temporary_files_are_removed(small, rng, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    x = sample(small, rng, 2)
    keras_alt.verify(small, x, verbose=False)
    assert not list(tmp_path.iterdir())

    def fail(self, arrays, codes):
        assert list(tmp_path.iterdir())
        raise RuntimeError("engine failed")

    monkeypatch.setattr(IntegerEngine, "compute", fail)
    with pytest.raises(RuntimeError, match="engine failed"):
        keras_alt.verify(small, x, verbose=False)
    assert not list(tmp_path.iterdir())


def test_an_output_that_the_engine_hides_is_an_error(small, rng, monkeypatch):
    class Hiding(IntegerEngine):
        def compute(self, arrays, codes):
            values = super().compute(arrays, codes)
            del values[self.program.outputs[0]]
            return values

    monkeypatch.setitem(ENGINES, "integer", Hiding)
    with pytest.raises(RuntimeError, match="does not show the codes of every output and"):
        keras_alt.verify(small, sample(small, rng, 2), verbose=False)


def test_inputs_come_by_name_or_in_order(rng):
    second, first = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    y = L.Subtract()([L.Dense(3)(second), L.Dense(3)(first)])
    model = keras_alt.quantize_model(keras.Model([second, first], y))
    x = {name: rng.normal(size=(6, 4)).astype("float32") for name in ("a", "b")}
    keras_alt.calibrate(model, x, verbose=False)
    reading = integer.read(model)

    by_name = integer.run(reading, x, verbose=False)
    in_order = integer.run(reading, [x["b"], x["a"]], verbose=False)

    np.testing.assert_array_equal(by_name[0], in_order[0])
    assert keras_alt.verify(model, x, verbose=False)
    with pytest.raises(ValueError, match="Received: 5 and 6 samples"):
        keras_alt.verify(model, {"a": x["a"], "b": x["b"][:5]}, verbose=False)
    with pytest.raises(ValueError, match=r"must have the keys \['b', 'a'\]"):
        keras_alt.verify(model, {"a": x["a"], "c": x["b"]}, verbose=False)
