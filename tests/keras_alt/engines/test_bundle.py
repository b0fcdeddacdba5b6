"""A bundle repeats its proof where there is no Keras."""

import json
import os

import keras
import models
import numpy as np
import pytest
from alone import run_alone
from conftest import pairs, randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.engines.integer.run import IntegerEngine

ENGINES = {
    "integer": "litert",
    "litert": "litert",
    "onnxruntime": "onnx",
    "qonnx": "paper",
    "c": "hls",
}
PACKAGES = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "qonnx": "qonnx"}


def linear():
    """Return a network whose outputs are codes themselves."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, L.GlobalMaxPooling2D()(models.conv_block(inputs, 4)))


def unsigned_inputs():
    """Return a network whose float front must run in front of the engine, or in it."""
    x = inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3)(L.Rescaling(0.5)(x))
    return keras.Model(inputs, L.Softmax()(L.Dense(3)(L.Flatten()(x))))


def quantized(make, rng, target):
    model = keras_alt.quantize_model(randomize(make(), rng), QuantizeConfig(target=target))
    x = sample(model, rng, 8)
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


@pytest.fixture
def bundled(rng, tmp_path):
    """Return a function that writes the bundle of a network and an engine."""

    def write(make, engine):
        if engine in PACKAGES:
            pytest.importorskip(PACKAGES[engine])
        model, x = quantized(make, rng, ENGINES[engine])
        result = keras_alt.verify(model, x, engine, tmp_path / "bundle", 3, verbose=False)
        assert result
        return result

    return write


@pytest.mark.parametrize(
    ("make", "engine"),
    pairs([models.residual, models.two_outputs, linear, unsigned_inputs], list(ENGINES)),
)
def test_the_script_repeats_the_proof(make, engine, bundled, tmp_path):
    result = bundled(make, engine)

    process = run_alone(tmp_path, tmp_path / "bundle" / "verify.py")

    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"0 of {result.total} codes differ\n")
    assert result.version in process.stdout
    about = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert (about["engine"], about["samples"], about["mismatches"]) == (engine, 8, 0)


def float_between():
    inputs = keras.Input((8, 8, 3))
    x = L.LayerNormalization()(L.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


@pytest.mark.parametrize("engine", ["litert", "onnxruntime"])
def test_codes_behind_float_layers_are_counted_by_themselves(engine, bundled, tmp_path):
    result = bundled(float_between, engine)
    integers, behind = 8 * 6 * 6 * 4, 8 * 3
    assert result.total == integers + behind

    def run_with(change):
        path = tmp_path / "bundle" / "expected.npz"
        with np.load(path) as file:
            arrays = [file[name] for name in file.files]
        (head,) = (a for a in arrays if a.size == behind)
        head[0, 0] += change
        np.savez(path, *arrays)
        return run_alone(tmp_path, tmp_path / "bundle" / "verify.py")

    process = run_with(0)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"0 of {integers} codes differ\nbehind float layers, ")
    assert f" of {behind} codes differ, by " in process.stdout
    assert run_with(9).returncode == 1


@pytest.mark.parametrize("engine", ["integer", "c", "litert", "onnxruntime"])
def test_a_wrong_code_is_found(engine, bundled, tmp_path):
    result = bundled(models.residual, engine)
    path = tmp_path / "bundle" / "expected.npz"
    with np.load(path) as file:
        (codes,) = (file[name] for name in file.files)
    codes[2, 3] += 1
    np.savez(path, codes)

    process = run_alone(tmp_path, tmp_path / "bundle" / "verify.py")

    assert process.returncode == 1
    assert process.stdout.startswith(f"1 of {result.total} codes differ\n")


def test_the_script_names_a_missing_engine(bundled, tmp_path):
    bundled(models.residual, "litert")
    process = run_alone(
        tmp_path, tmp_path / "bundle" / "verify.py", without=("keras", "ai_edge_litert")
    )
    assert process.returncode == 1
    assert "pip install ai-edge-litert" in process.stderr


def test_a_failed_proof_leaves_nothing(rng, tmp_path, monkeypatch):
    model, x = quantized(models.residual, rng, "litert")

    def fail(self, folder):
        assert os.listdir(tmp_path)  # it is being written
        raise OSError("disk full")

    monkeypatch.setattr(IntegerEngine, "prepare", fail)
    with pytest.raises(OSError, match="disk full"):
        keras_alt.verify(model, x, bundle=tmp_path / "bundle", verbose=False)
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_written_over(rng, tmp_path):
    model, x = quantized(models.residual, rng, "litert")
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="new or empty"):
        keras_alt.verify(model, x, bundle=tmp_path, verbose=False)
    with pytest.raises(FileNotFoundError, match="must exist"):
        keras_alt.verify(model, x, bundle=tmp_path / "none" / "bundle", verbose=False)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
