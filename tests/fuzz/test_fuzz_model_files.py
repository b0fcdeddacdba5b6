"""Damaged files of models, weights and presets; nothing in them runs."""

import json
import os
import pathlib
import zipfile

import keras
import numpy as np
import pytest
from attempts import attempt
from hypothesis import strategies as st
from keras import layers as L
from mutations import damaged, reworded

import keras_alt
from keras_alt.cli.models import read_model
from keras_route.models.loading import load_network
from keras_route.models.presets import PACKAGED

X = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4,), name="i")
    x = L.Dense(3, activation="relu", name="c1")(inputs)
    return keras_alt.quantize_model(
        keras.Model(inputs, L.Dense(2, name="c2")(x)), calibration_data=X
    )


def test_models(model, tmp_path):
    right = model.predict_on_batch(X)
    for suffix in (".keras", ".h5"):
        path = str(tmp_path / f"m{suffix}")
        model.save(path)
        whole = pathlib.Path(path).read_bytes()

        @attempt(f"models, {suffix}", 300, damaged(whole))
        def _(data, path=path):
            pathlib.Path(path).write_bytes(data)
            found = read_model(path).model
            if path.endswith(".keras"):  # it has a checksum of each part; .h5 files have none
                np.testing.assert_array_equal(found.predict_on_batch(X), right)

    path = tmp_path / "m.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    @attempt("models, config.json", 300, reworded(parts["config.json"].decode()))
    def _(text):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (parts | {"config.json": text.encode(errors="ignore")}).items():
                archive.writestr(name, data)
        read_model(path)


@pytest.mark.full
def test_presets(tmp_path):
    name = os.path.join(tmp_path, "p")
    for suffix in (".json", ".weights.h5"):
        (tmp_path / f"p{suffix}").write_bytes((PACKAGED / f"fcn_32{suffix}").read_bytes())
    right = load_network(name).get_weights()
    for suffix in (".json", ".weights.h5"):
        path = tmp_path / f"p{suffix}"
        whole = path.read_bytes()
        texts = [reworded(whole.decode()).map(str.encode)] if suffix == ".json" else []

        @attempt(f"presets, {suffix}", 300, st.one_of(damaged(whole), *texts))
        def _(data, path=path):
            path.write_bytes(data)
            found = load_network(name).get_weights()
            assert all(map(np.array_equal, found, right))

        path.write_bytes(whole)


def _with_config(path, change):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("read", [read_model, load_network])
@pytest.mark.parametrize("kind", ["function", "class", "lambda"])
def test_code_of_a_file_does_not_run(kind, read, tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\ndef go(x): return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "m.keras"
    inputs = keras.Input((4,))
    own = L.Lambda(lambda x: x) if kind == "lambda" else L.Dense(2, activation="relu")
    keras.Model(inputs, own(inputs)).save(path)

    def change(config):
        layer = config["config"]["layers"][1]
        if kind == "function":
            layer["config"]["activation"] = {
                "module": "trap",
                "class_name": "function",
                "config": "go",
                "registered_name": "function",
            }
        elif kind == "class":
            layer |= {"module": "trap", "class_name": "go", "registered_name": None}

    _with_config(path, change)
    with pytest.raises(ValueError, match=r"m\.keras"):
        read(path)
    assert not (tmp_path / "ran").exists()
