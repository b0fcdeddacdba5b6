"""An hls4ml project has the trained types, and its C simulation computes the trained integers."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.cli.exporting import write_formats
from keras_alt.engines.hls4ml import export as hls4ml
from keras_alt.engines.hls4ml import types as hls4ml_types
from keras_alt.export import ExportError, to_hls4ml
from keras_alt.integer import read

pytest.importorskip("hls4ml", reason="hls4ml is not installed: keras-alt[hls]")
pytest.importorskip("qonnx", reason="qonnx is not installed: keras-alt[hls]")

compiled = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def residual():
    x = inputs = keras.Input((4, 4, 2))
    x = L.Conv2D(2, 3, padding="same", activation="relu")(x)
    y = L.Conv2D(2, 3, padding="same")(x)
    x = L.MaxPooling2D(2)(L.ReLU()(L.Add()([x, y])))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.Flatten()(x)))


def single(*layers, shape=(6, 6, 2)):
    return keras.Sequential([keras.Input(shape), *layers])


def quantized(model, rng, x=None, **config):
    """Quantize a model whose biases matter."""
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    config = {"target": "hls", **config}
    model = keras_alt.quantize_model(model, QuantizeConfig(**config))
    x = rng.normal(size=(32, *model.input_shape[1:])) if x is None else x
    keras_alt.calibrate(model, x, verbose=False)
    return model


def exported(model, folder):
    """Return the types that a project defines."""
    with open(f"{to_hls4ml(model, folder)}/firmware/defines.h") as file:
        return set(re.findall(r"typedef (\S+) \w+;", file.read()))


def output_dir(project):
    """Return where the configuration of a project says that it is."""
    import yaml

    return yaml.safe_load((project / "hls4ml_config.yml").read_text())["OutputDir"]


@compiled
def test_the_c_simulation_computes_a_layer(rng):
    model = quantized(single(L.Dense(2), shape=(4,)), rng)

    result = keras_alt.verify(model, rng.normal(size=(40, 4)), "hls4ml", verbose=False)

    assert (result.mismatches, result.total) == (0, 40 * 2)


@pytest.mark.full
@compiled
def test_the_c_simulation_computes_a_residual_network(rng):
    model = quantized(residual(), rng)

    result = keras_alt.verify(model, rng.normal(size=(40, 4, 4, 2)), "hls4ml", verbose=False)

    assert (result.mismatches, result.total) == (0, 40 * 3)
    assert len(result.layers) == 5
    assert not any(row.mismatches for row in result.layers)


@pytest.mark.full
@compiled
def test_the_c_simulation_computes_digits_and_so_does_its_bundle(rng, tmp_path):
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x = (datasets.load_digits().data / 16).astype("float32")
    model = single(L.Dense(16, "relu"), L.Dense(10), shape=(64,))
    model = quantized(model, rng, x[:256], target="paper", weights=4)

    result = keras_alt.verify(model, x, "hls4ml", bundle=tmp_path / "bundle", verbose=False)
    assert output_dir(tmp_path / "bundle" / "model" / "plain") == "."
    process = subprocess.run(
        [sys.executable, tmp_path / "bundle" / "verify.py"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.mismatches, result.total) == (0, 1797 * 10)
    assert process.stdout.startswith("0 of 17970 codes differ"), process.stderr


@pytest.mark.parametrize("biases", [True, False])
def test_every_type_follows_from_the_trained_exponents(biases, rng, tmp_path):
    model = residual()
    if biases:
        model = quantized(model, rng)
    else:
        model = keras_alt.quantize_model(model, QuantizeConfig(target="hls"))
        keras_alt.calibrate(model, rng.normal(size=(32, 4, 4, 2)), verbose=False)
    types = exported(model, tmp_path / "project")

    program = read(model).program
    constants = [
        value
        for step in program.steps
        for value in step.attributes.values()
        if hasattr(value, "codes") and value.codes.any()
    ]
    behind = [program.tensors[s.output] for s in program.steps if s.operation == "requantize"]
    for item in [*constants, *behind]:
        bits, sign = item.format.bits, "" if item.format.signed else "u"
        expected = f"ap_{sign}fixed<{bits},{bits + item.exponent},AP_RND_CONV,AP_SAT,0>"
        assert expected in types
    assert len(constants) == (6 if biases else 3)


def test_types_that_hls4ml_chose_otherwise_are_an_error(rng, tmp_path, monkeypatch):
    model = quantized(residual(), rng)
    monkeypatch.setattr(hls4ml, "precisions", lambda writer: {})

    with pytest.raises(ExportError, match="input '.*' must be fixed<.*Received: fixed<32,16"):
        to_hls4ml(model, tmp_path / "project")
    laid_down = hls4ml_types.precisions
    inputs = {"input_layer_input_0"}
    monkeypatch.setattr(
        hls4ml,
        "precisions",
        lambda writer: {k: v for k, v in laid_down(writer).items() if k in inputs},
    )
    with pytest.raises(ExportError, match="in layer 'conv2d' must be .*fixed<.*Received: "):
        to_hls4ml(model, tmp_path / "project")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("layer", "received"),
    [
        (L.Conv2D(2, 2, dilation_rate=2, name="culprit"), "dilation"),
        (L.Conv2D(4, 2, groups=2, name="culprit"), "groups=2"),
        (L.Conv2DTranspose(2, 2, name="culprit"), "transposed convolution"),
        (L.ZeroPadding2D(1, data_format="channels_first", name="culprit"), "padding"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, L.Layer) else None,
)
def test_a_layer_without_a_form_is_named_and_leaves_nothing(layer, received, rng, tmp_path):
    model = quantized(single(L.Conv2D(4, 1), layer), rng)

    with pytest.raises(ExportError, match=f"layer 'culprit'.*Received: .*{received}"):
        to_hls4ml(model, tmp_path / "project")
    assert not list(tmp_path.iterdir())


def test_relu6_needs_a_threshold_that_clips_where_it_does(rng, tmp_path):
    model = quantized(single(L.Dense(2, activation="relu6"), shape=(4,)), rng)
    (threshold,) = [
        layer.log2_threshold
        for layer in model.layers
        if isinstance(layer, keras_alt.Quantizer) and "relu6" in layer.name
    ]
    threshold.assign(3.0)
    with pytest.raises(ExportError, match="codes up to 192 of uint8.*threshold of 4"):
        to_hls4ml(model, tmp_path / "project")

    threshold.assign(2.0)
    to_hls4ml(model, tmp_path / "project")


def test_an_error_says_the_way_out(rng, tmp_path, monkeypatch):
    model = quantized(single(L.Dense(2), shape=(4,)), rng)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(FileExistsError, match="must be new or empty.*another path"):
        to_hls4ml(model, tmp_path / "taken")
    with pytest.raises(ExportError, match=r"keras_alt.retarget\(model, target\)"):
        to_hls4ml(keras_alt.retarget(model, "litert"), tmp_path / "project")
    with pytest.raises(ValueError, match="keras_alt.calibrate"):
        fresh = keras_alt.quantize_model(residual(), QuantizeConfig(target="hls"))
        to_hls4ml(fresh, tmp_path / "project")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"pip install 'keras-alt\[hls\]'"):
            to_hls4ml(model, tmp_path / "project")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"g\+\+: install it"):
        keras_alt.verify(model, np.zeros((1, 4)), "hls4ml", verbose=False)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_hls4ml_is_not_heard(rng, tmp_path, capfd, recwarn):
    path = to_hls4ml(quantized(residual(), rng), tmp_path / "project")

    assert capfd.readouterr().out == ""
    assert not [w for w in recwarn if "hls4ml" in w.filename or "qonnx" in w.filename]
    for name in ("hls4ml_config.yml", "model.onnx", "build_lib.sh", "firmware/myproject.cpp"):
        assert (tmp_path / "project" / name).stat().st_size
    assert output_dir(tmp_path / "project") == str(tmp_path / "project")
    assert path == str(tmp_path / "project")


def test_a_project_in_a_folder_that_is_moved_names_its_last_place(rng, tmp_path):
    model = quantized(single(L.Dense(2), shape=(4,)), rng)

    write_formats(model, ["hls4ml"], os.fspath(tmp_path / "exported"), "q")

    project = tmp_path / "exported" / "hls4ml"
    assert output_dir(project) == str(project)
    texts = [p.read_text(errors="ignore") for p in project.rglob("*") if p.is_file()]
    assert not any(".writing-" in text for text in texts)
