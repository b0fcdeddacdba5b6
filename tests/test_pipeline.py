"""The examples run as a user runs them."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_alt.engines.cortex_m import device

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.tensorflow_only


def run(script, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.full
def test_quickstart(tmp_path):
    out = run("quickstart.py", "--smoke", "--bits", 4, "--output", tmp_path)
    assert "bit-identical" in out
    assert "INT4 weights" in out
    for name in (
        "int4_weights.keras",
        "int4_weights_thresholds.png",
        "int4_weights_distributions.png",
    ):
        assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.full
def test_mixed_precision():
    out = run("mixed_precision.py", "--smoke")
    rows = re.findall(r"^(4 bits|mixed, .* bytes) +(\S+) ", out, re.MULTILINE)
    (_, uniform), (budget, mixed) = rows
    assert budget == f"mixed, {uniform} bytes"
    assert int(mixed.replace(",", "")) <= int(uniform.replace(",", ""))
    assert "SQNR dB at 4" in out


@pytest.mark.full
def test_threshold_dynamics(tmp_path):
    out = run("threshold_dynamics.py", "--smoke", "--output", tmp_path)
    assert "difference to the gradient of `keras_alt.fake_quant`" in out
    assert "8 bits, depthwise kernels" in out
    for name in ("transfer_curves", "gaussian", "four_optimizers", "boundary_walk", "network"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


@pytest.mark.full
def test_deploy(tmp_path):
    for package in ("ai_edge_litert", "onnxruntime"):
        pytest.importorskip(package)
    engines = ["litert", "onnxruntime", "integer"]
    counts = ["--epochs", 1, "--count", 40]
    out = run("deploy.py", *counts, "--engines", *engines, "--bundle", "--output", tmp_path)
    assert out.count("0 of 400 output codes differ") == len(engines)
    assert "LiteRT INT8" in out
    npu = "operators on the NPU" if importlib.util.find_spec("ethosu") else "keras-alt[ethos]"
    assert npu in out
    for name in ("model.tflite", "model.onnx", "integers/model.json", "litert_bundle/verify.py"):
        assert (tmp_path / name).stat().st_size > 100


@pytest.mark.full
def test_microcontroller(tmp_path):
    try:
        device.require()
    except ImportError as error:
        pytest.skip(str(error))
    counts = ["--epochs", 1, "--count", 4]
    out = run("microcontroller.py", *counts, "--output", tmp_path / "digits")
    assert out.count("0 of 40 output codes differ") == 2
    assert (tmp_path / "digits" / "net.c").stat().st_size > 1000

    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    keras.Model(inputs, outputs).save(tmp_path / "net.keras")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(8, 4, 4, 3)))
    given = ["--model", tmp_path / "net.keras", "--data", tmp_path / "x.npz", "--count", 4]
    board = ["--board", "mps2-an386", "--target", "tflm", "--output", tmp_path / "given"]
    out = run("microcontroller.py", *given, *board)
    assert out.count("0 of 12 output codes differ") == 2
    assert "Cortex-M4" in out


@pytest.mark.full
def test_mobilenet_cifar10(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 8, 8, 3), "uint8"), rng.integers(0, 10, 40)
    np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.ReLU(6.0)(keras.layers.Conv2D(4, 3, strides=2)(inputs))
    x = keras.layers.DepthwiseConv2D(3, activation="relu6")(x)
    x = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(inputs, x).save(tmp_path / "net.keras")
    arguments = [
        "--data",
        tmp_path,
        "--file",
        "data.npz",
        "--model",
        tmp_path / "net.keras",
        "--epochs",
        1,
        "--validation",
        8,
        "--calibration",
        8,
        "--target",
        "litert",
        "--runs",
        "float",
        "weights",
        "int8",
        "int4",
        "int4-channel",
        "--bits",
        "8",
        "4",
        "--output",
        tmp_path / "output",
    ]
    out = run("mobilenet_cifar10.py", *arguments)
    assert out.count("against float") == 4
    assert run("mobilenet_cifar10.py", *arguments).count("Epoch") == 0


@pytest.mark.full
def test_from_tfmot():
    assert "masks" in run("from_tfmot.py", "--smoke")


@pytest.mark.full
def test_a_router_is_trained_into_a_preset(tmp_path):
    preset = tmp_path / "router_12"
    small = ["--size", 12, "--count", 20, "--verbose", 0]
    run_length = ["--epochs", 1, "--steps-per-epoch", 2, "--validation", 10]
    out = run("train_router.py", *small, *run_length, "--name", preset, "--output", tmp_path)
    assert "routed_legal 100.00%" in out
    assert (tmp_path / "router_12.json").stat().st_size > 100


@pytest.mark.full
def test_route_nets(tmp_path):
    run("route_nets.py", "--count", 3, "--output", tmp_path)
    for name in ("nets.gds", "nets.def", "nets.json", "nets.svg", "nets.png", "around.svg"):
        assert (tmp_path / name).stat().st_size > 100
