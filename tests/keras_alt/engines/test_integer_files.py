"""The exported integers are those of the program, in as many bytes as their bits need."""

import inspect
import json
import os
import pathlib
import re

import keras
import models
import numpy as np
import pytest
from alone import run_alone
from conftest import pairs, randomize, sample
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.engines.integer.packing import pack, unpack
from keras_alt.engines.integer.runner import IntegerModel
from keras_alt.export import to_integers
from keras_alt.integer import arithmetic

DOCUMENTS = pathlib.Path(__file__).parents[3] / "docs"
DOCUMENT = DOCUMENTS / "files.md"


def padded_average():
    """Have float layers at both ends, and an average whose windows reach over the border."""
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3)(L.Rescaling(0.5, 0.1)(x))
    x = L.AveragePooling2D(3, 2, "same")(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax")(L.Flatten()(x)))


def quantized(make, rng, **options):
    model = keras_alt.quantize_model(randomize(make(), rng), QuantizeConfig(**options))
    x = sample(model, rng, 16)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def read(path):
    return json.loads((path / "model.json").read_text())


@pytest.mark.parametrize(
    ("make", "target"),
    pairs(
        [
            models.residual,
            models.inverted_residual,
            models.inception,
            models.leaky,
            models.kinds_of_layers,
            models.siamese,
            models.two_outputs,
            padded_average,
        ],
        ["paper", "litert"],
    ),
)
def test_the_files_compute_the_codes_of_the_program(make, target, rng, tmp_path):
    model, x = quantized(make, rng, target=target, weights=5)
    reading = integer.read(model)
    expected = integer.run(reading, x, verbose=False)

    runner = IntegerModel(to_integers(model, tmp_path / "integers"))

    codes = integer.quantize_inputs(reading, x)
    assert_equal(runner.run(codes, batch_size=5), expected)
    values = integer.trace(reading.program, codes)
    assert_equal(list(runner.trace(codes).values()), list(values.values()))
    floats = reading.entry(keras.tree.flatten(x), training=False)
    floats = [keras.ops.convert_to_numpy(a) for a in keras.tree.flatten(floats)]
    assert_equal(runner.run(floats), expected)


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_the_folder_runs_without_keras(dtype, rng, tmp_path):
    model, x = quantized(models.two_outputs, rng)
    reading = integer.read(model)
    path = to_integers(model, tmp_path / "integers")
    codes = integer.quantize_inputs(reading, x)
    inputs = codes if dtype == "int64" else [x["image"], x["extra"]]
    np.savez(tmp_path / "inputs.npz", *inputs)

    process = run_alone(tmp_path, f"{path}/run.py", "inputs.npz", "outputs.npz")

    assert process.returncode == 0, process.stderr
    with np.load(tmp_path / "outputs.npz") as file:
        assert_equal([file[name] for name in file.files], integer.run(reading, x, verbose=False))
    missing = run_alone(tmp_path, "-c", "import keras_alt")
    assert "No module named 'keras_alt'" in missing.stderr


def test_the_arithmetic_is_copied_as_it_is(rng, tmp_path):
    model, _ = quantized(models.residual, rng)
    to_integers(model, tmp_path / "integers")
    copied = (tmp_path / "integers" / "arithmetic.py").read_text()
    assert copied == inspect.getsource(arithmetic)


@given(st.integers(1, 33), st.booleans(), st.data())
def test_packed_codes_come_back_and_fill_their_bytes(bits, signed, data):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    codes = np.array(data.draw(st.lists(st.integers(low, high), max_size=20)), np.int64)

    packed = pack(codes, bits)

    assert packed.dtype == np.uint8
    assert packed.nbytes == -(-len(codes) * bits // 8)
    np.testing.assert_array_equal(unpack(packed, bits, signed, codes.shape), codes, strict=True)


def test_two_codes_of_four_bits_share_a_byte():
    assert pack(np.array([[1, -2], [7, -8]]), 4).tolist() == [0xE1, 0x87]
    assert pack(np.array([1, 2, 3]), 3).tolist() == [0b11_010_001, 0b0]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_bytes_match_the_bits(bits, rng, tmp_path):
    options = {"weights": bits, "first_and_last_weights": bits, "target": "litert"}
    model, _ = quantized(models.residual, rng, **options)
    to_integers(model, tmp_path / "integers")

    constants = read(tmp_path / "integers")["constants"]
    with np.load(tmp_path / "integers" / "weights.npz") as file:
        assert set(file.files) == set(constants)
        for name, constant in constants.items():
            size = int(np.prod(constant["shape"])) * constant["bits"]
            assert file[name].nbytes == -(-size // 8)
    kernels = [c for name, c in constants.items() if name.endswith("/kernel")]
    assert {kernel["bits"] for kernel in kernels} == {bits}


def test_codes_stay_inside_their_bounds(rng, tmp_path):
    model, x = quantized(padded_average, rng, target="litert")
    runner = IntegerModel(to_integers(model, tmp_path / "integers"))
    values = runner.trace(integer.quantize_inputs(integer.read(model), x))
    for position, tensor in enumerate(runner.model["tensors"]):
        assert values[position].shape[1:] == tuple(tensor["shape"])
        assert tensor["low"] <= values[position].min()
        assert values[position].max() <= tensor["high"]
        if tensor["format"] is not None:
            format = keras_alt.FixedPoint(**tensor["format"])
            assert format.qmin <= tensor["low"] <= tensor["high"] <= format.qmax


def test_float_layers_at_the_ends_are_described(rng, tmp_path):
    model, _ = quantized(padded_average, rng)
    to_integers(model, tmp_path / "integers")
    contents = read(tmp_path / "integers")
    (front,), (behind,) = contents["front"]["layers"], contents["behind"]["layers"]
    assert (front["type"], front["config"]) == ("Rescaling", {"scale": 0.5, "offset": 0.1})
    assert contents["front"]["gives"] == [front["name"]]
    assert (behind["type"], behind["config"]) == ("Activation", {"activation": "softmax"})
    assert contents["behind"]["outputs"] == model.output_names == ["dense"]


def normalized():
    """Have float layers with weights in front of the quantizers and behind them."""
    x = inputs = keras.Input((8, 4), name="series")
    x = L.Rescaling(2.0, name="double")(L.Normalization(name="norm")(x))
    return keras.Model(inputs, L.LSTM(3, name="loop")(L.Conv1D(4, 3)(x)))


def test_float_layers_at_the_ends_have_their_weights(rng, tmp_path):
    model = normalized()
    model.get_layer("norm").adapt(rng.normal(2.0, 3.0, (32, 8, 4)))
    model, x = quantized(lambda: model, rng)
    assert keras_alt.verify(model, x, verbose=False)
    runner = IntegerModel(to_integers(model, tmp_path / "integers"))

    norm, double = runner.model["front"]["layers"]
    (loop,) = runner.model["behind"]["layers"]
    assert "weights" not in double
    with np.load(tmp_path / "integers" / "floats.npz") as file:
        assert set(file.files) == {*norm["weights"], *loop["weights"]}
        mean, variance, _ = (file[name] for name in norm["weights"])
        assert_equal(
            [file[name] for name in loop["weights"]], model.get_layer("loop").get_weights()
        )
    floats = (x - mean) / np.maximum(np.sqrt(variance), 1e-7) * np.float32(2.0)
    assert_equal(runner.codes([floats]), integer.quantize_inputs(integer.read(model), x))


def test_there_are_no_float_weights_without_such_layers(rng, tmp_path):
    path = to_integers(quantized(padded_average, rng)[0], tmp_path / "integers")
    assert "floats.npz" not in os.listdir(path)


def test_calls_of_one_layer_share_its_constants(rng, tmp_path):
    model, _ = quantized(models.siamese, rng)
    to_integers(model, tmp_path / "integers")
    contents = read(tmp_path / "integers")
    steps = [step for step in contents["steps"] if step["operation"] == "convolve"]
    assert len(steps) == 2
    assert steps[0]["attributes"]["kernel"] == steps[1]["attributes"]["kernel"]


def test_the_document_names_every_operation_attribute_and_rounding():
    text = (DOCUMENTS / "integers.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in reversed(lines)}  # the first of a name counts
    operations = [
        function
        for name, function in inspect.getmembers(arithmetic, inspect.isfunction)
        if not name.startswith("_")
    ]
    assert len(operations) > 15
    for function in operations:
        _, *attributes = inspect.signature(function).parameters
        for name in set(attributes) - {"second"}:  # an operand, as the first parameter is
            assert f"`{name}`" in rows[function.__name__]
    assert set(arithmetic.ROUNDINGS) <= set(rows)


def test_the_worked_example_of_the_document_is_what_is_written(tmp_path, monkeypatch):
    section = DOCUMENT.read_text().partition("## Worked example")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "example"
    exec(blocks["python"], {})

    assert (path / "model.json").read_text() == blocks["json"]
    with np.load(path / "weights.npz") as file:
        assert f"`{file['dense/kernel'].tobytes().hex(' ')}`" in section
    runner = IntegerModel(path)
    (codes,) = runner.codes([np.array([[1.0, -0.5, 0.25, 1.99]])])
    assert f"the codes `{codes[0].tolist()}`" in section
    for position, values in runner.trace([codes]).items():
        assert position == 0 or f"| {values[0, 0]}, {values[0, 1]} |" in section


def test_the_packing_of_the_document_is_that_of_the_files():
    section = DOCUMENT.read_text().partition("## Packing")[2]
    names = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], names)
    codes = np.array([-4, 3, 0, -1, 2])
    stream = pack(codes, 3).tobytes()
    assert [names["code"](stream, i, 3, True) for i in range(5)] == codes.tolist()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.zeros((2, 7, 8, 3))], "expects samples of shape"),
        ([np.zeros((0, 8, 8, 3))], "at least one"),
        ([np.full((2, 8, 8, 3), np.nan)], "must be finite"),
        ([np.full((2, 8, 8, 3), 128)], "expects codes from -128 to 127"),
        ([np.zeros((2, 8, 8, 3))] * 2, "has 1 inputs"),
    ],
)
def test_wrong_inputs_are_errors(inputs, message, rng, tmp_path):
    model, _ = quantized(models.residual, rng)
    runner = IntegerModel(to_integers(model, tmp_path / "integers"))
    with pytest.raises(ValueError, match=message):
        runner.run(inputs)


def test_nothing_is_written_over_or_in_part(rng, tmp_path, monkeypatch):
    model, _ = quantized(models.residual, rng)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="new or empty"):
        to_integers(model, tmp_path / "full")
    with pytest.raises(FileExistsError, match="new or empty"):
        to_integers(model, tmp_path / "full" / "mine.txt")
    with pytest.raises(FileNotFoundError, match="must exist"):
        to_integers(model, tmp_path / "none" / "integers")
    (tmp_path / "empty").mkdir()
    to_integers(model, tmp_path / "empty")
    assert (tmp_path / "empty" / "model.json").exists()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        to_integers(model, tmp_path / "integers")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="must be writable"):
        to_integers(model, tmp_path / "integers")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]


def test_a_model_without_integers_is_an_error(rng, tmp_path):
    with pytest.raises(ValueError, match="keras_alt.calibrate"):
        to_integers(keras_alt.quantize_model(models.residual()), tmp_path / "integers")
    with pytest.raises(integer.NotIntegerError, match="layer_normalization"):
        to_integers(quantized(models.float_inside, rng)[0], tmp_path / "integers")
    assert not list(tmp_path.iterdir())
