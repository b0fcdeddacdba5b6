"""Inputs and outputs of a LiteRT file have the types that were asked for, and its codes stay."""

import keras
import numpy as np
import pytest
from conftest import outputs as outputs_of
from exported import quantized, small
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.export import ExportError, to_litert
from keras_alt.quantizer import quantizers

interpreter = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the `litert` extra is not installed"
)
pytestmark = pytest.mark.tensorflow_only


class File:
    """A file, computed sample by sample."""

    def __init__(self, model, folder, **types):
        path = to_litert(model, folder / "model.tflite", **types)
        self.runner = interpreter.Interpreter(path).get_signature_runner()

    @property
    def inputs(self):
        return list(self.runner.get_input_details().values())

    @property
    def outputs(self):
        return list(self.runner.get_output_details().values())

    def __call__(self, *arrays):
        names = list(self.runner.get_input_details())
        results = [
            self.runner(**{n: a[i : i + 1] for n, a in zip(names, arrays, strict=True)})
            for i in range(len(arrays[0]))
        ]
        return [np.concatenate([r[name] for r in results]) for name in results[0]]


def grid(detail):
    return detail["dtype"], detail["quantization"]


def pictures(rng, count=4, size=(6, 6, 3)):
    return rng.integers(0, 256, (count, *size)).astype("uint8")


@pytest.mark.parametrize("signed", [True, False])
def test_codes_have_the_type_asked_for(signed, rng, tmp_path):
    model, x = small(rng, "litert", inputs="int8" if signed else "uint8")
    reading = integer.read(model)
    (codes,), (expected,) = (
        integer.quantize_inputs(reading, x),
        integer.run(reading, x, verbose=False),
    )
    first, last = (
        reading.program.tensors[i[0]] for i in (reading.program.inputs, reading.program.outputs)
    )
    zero = 128 if signed else 0
    file = File(model, tmp_path, inputs="uint8", outputs="uint8")
    assert grid(*file.inputs) == (np.uint8, (2.0**first.exponent, zero))
    assert grid(*file.outputs) == (np.uint8, (2.0**last.exponent, 128))
    (y,) = file((codes + zero).astype(np.uint8))
    np.testing.assert_array_equal(y.astype(int) - 128, expected)

    file = File(model, tmp_path, inputs="float32", outputs="float32")
    assert grid(*file.inputs)[0] == grid(*file.outputs)[0] == np.float32
    (y,) = file(x)
    np.testing.assert_array_equal(y, np.ldexp(expected, last.exponent))
    file = File(model, tmp_path, inputs="int8", outputs="int8")
    assert grid(*file.inputs) == (np.int8, (2.0**first.exponent, zero - 128))


def test_the_entrance_rounds_halves_to_even(rng, tmp_path):
    model, _ = small(rng, "litert")
    step = 2.0 ** integer.read(model).program.tensors[0].exponent
    halves = (np.arange(-150, 150).repeat(48)[: 4 * 75 * 48].reshape(-1, 4, 4, 3) + 0.5) * step
    halves = halves.astype("float32")
    (y,) = File(model, tmp_path, inputs="float32", outputs="float32")(halves)
    np.testing.assert_array_equal(y, model.predict(halves, verbose=False))


def test_files_without_types_are_those_of_the_default(rng, tmp_path):
    model, _ = small(rng, "litert")
    first = to_litert(model, tmp_path / "first.tflite")
    second = to_litert(model, tmp_path / "second.tflite", inputs="int8", outputs="int8")
    with open(first, "rb") as one, open(second, "rb") as other:
        assert one.read() == other.read()


def behind(rescaling, rng, dtype="float32", padding="valid", **config):
    inputs = keras.Input((6, 6, 3), dtype=dtype, name="pixels")
    x = L.Conv2D(4, 3, padding=padding, activation="relu")(rescaling(inputs))
    outputs = L.Softmax(name="classes")(L.Dense(3)(L.Flatten()(x)))
    model = keras.Model(inputs, outputs)
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert", **config))
    keras_alt.calibrate(model, pictures(rng, 16).astype(dtype), verbose=False)
    return model


FOLDED = {
    "reciprocal": lambda: L.Rescaling(1 / 255),
    "centred": lambda: L.Rescaling(1 / 127.5, -1.0),
    "power of two": lambda: L.Rescaling(2.0**-8),
}


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("rescaling", FOLDED)
def test_the_file_takes_the_bytes_of_a_camera(rescaling, dtype, rng, tmp_path):
    """Without a float layer in front."""
    model, x = behind(FOLDED[rescaling](), rng, dtype, inputs="uint8"), pictures(rng)
    (expected,) = outputs_of(model, x.astype(dtype))
    for inputs, fed in (("uint8", x), ("int8", (x.astype(int) - 128).astype("int8"))):
        file = File(model, tmp_path, inputs=inputs)
        (y,) = file(fed)
        assert file.inputs[0]["dtype"] == fed.dtype
        np.testing.assert_allclose(y, expected, atol=1e-6)
        kinds = _operators(tmp_path)
        assert "MUL" not in kinds and "DEQUANTIZE" not in kinds[:1]
    (y,) = File(model, tmp_path, inputs="float32")(x.astype("float32"))
    np.testing.assert_allclose(y, expected, atol=1e-6)


def _operators(folder):
    found = interpreter.Interpreter(str(folder / "model.tflite"))
    return [operator["op_name"] for operator in found._get_ops_details()]


def test_signed_codes_take_the_bytes_if_they_only_shift_them(rng, tmp_path):
    model = behind(L.Rescaling(2.0**-7, -1.0), rng, padding="same")
    next(iter(quantizers(model).values())).set_threshold(1.0)
    x = pictures(rng)
    file = File(model, tmp_path, inputs="uint8")
    assert grid(*file.inputs) == (np.uint8, (2.0**-7, 128))
    (y,) = file(x)
    np.testing.assert_allclose(y, outputs_of(model, x.astype("float32"))[0], atol=1e-6)


def test_bytes_in_front_of_float_layers_need_a_model_that_takes_bytes(rng, tmp_path):
    rescaling, x = L.Rescaling(1 / 127.5, -1.0, name="rescaling"), pictures(rng)
    model = behind(rescaling, rng, "uint8", padding="same")
    for inputs, fed in (("uint8", x), ("int8", (x.astype(int) - 128).astype("int8"))):
        (y,) = File(model, tmp_path, inputs=inputs)(fed)
        np.testing.assert_allclose(y, outputs_of(model, x)[0], atol=1e-6)
    model = behind(rescaling, rng, padding="same")
    with pytest.raises(ExportError, match="dtype 'uint8'.*'pixels' of float32 in front of resc"):
        to_litert(model, tmp_path / "other.tflite", inputs="uint8")


@pytest.mark.parametrize(("dtype", "zero"), [("int8", -128), ("uint8", 0)])
def test_a_softmax_gives_integers_of_its_limits(dtype, zero, rng, tmp_path):
    inputs = keras.Input((4,))
    x = L.Dense(3)(inputs)
    model = keras.Model(inputs, {"head": L.Softmax()(x), "raw": x})
    model, x = quantized(model, rng, "litert")
    file = File(model, tmp_path, inputs="float32", outputs=dtype)
    details = file.runner.get_output_details()
    expected = model.predict(x, verbose=False)
    softmax = next(name for name in details if "softmax" in name)
    assert grid(details[softmax]) == (np.dtype(dtype).type, (2.0**-8, zero))
    for name, y in zip(details, file(x), strict=True):
        scale, offset = details[name]["quantization"]
        key, atol = ("head", scale) if name == softmax else ("raw", 0)
        np.testing.assert_allclose((y.astype(int) - offset) * scale, expected[key], atol=atol)


def test_other_integers_behind_float_layers_are_refused(rng, tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.LayerNormalization(name="odd")(L.Dense(3)(inputs)))
    model, _ = quantized(model, rng, "litert")
    with pytest.raises(ExportError, match="known scale, as softmax.*outputs='int8'.*'odd'"):
        to_litert(model, tmp_path / "other.tflite", outputs="int8")
    with pytest.raises(ValueError, match="`inputs` must be one of int8.*'int16'"):
        to_litert(model, tmp_path / "other.tflite", inputs="int16")


def test_tokens_stay_whole_numbers(rng, tmp_path):
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    model = keras.Model(tokens, L.Dense(3)(L.Flatten()(L.Embedding(10, 4)(tokens))))
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    x = rng.integers(0, 10, (16, 12)).astype("int32")
    keras_alt.calibrate(model, x, verbose=False)
    file = File(model, tmp_path, inputs="uint8", outputs="float32")
    assert file.inputs[0]["dtype"] == np.int32
    np.testing.assert_array_equal(file(x)[0], outputs_of(model, x)[0])
