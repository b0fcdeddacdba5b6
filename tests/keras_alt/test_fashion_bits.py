"""`benchmarks/fashion_bits.py` and `fashion_collapse.py`, with a tiny network on random images."""

import fashion_bits
import fashion_collapse
import keras
import numpy as np
import pytest
from fashion_networks import FAMILIES, convolution
from keras import layers as L

RUNS = ["int8 static", "int8 trained", "int4 static", "int4 weights only"]
RUNS += ["int4 narrowed", "int4 rounded"]


def tiny():
    x = inputs = keras.Input((28, 28, 1))
    x = convolution(x, "stem", 4, strides=4)
    x = L.DepthwiseConv2D(3, name="depthwise")(x)
    x = convolution(L.ReLU()(L.BatchNormalization()(x)), "pointwise", 8, 1)
    return keras.Model(inputs, L.Dense(10, name="head")(L.GlobalAveragePooling2D()(x)))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that runs `main` of a benchmark."""
    rng = np.random.default_rng(0)
    parts = {"train": 96, "test": 50}
    x = {f"x_{k}": rng.integers(0, 256, (n, 28, 28), np.uint8) for k, n in parts.items()}
    y = {f"y_{k}": rng.integers(0, 10, n, np.uint8) for k, n in parts.items()}
    np.savez(tmp_path / "data.npz", **x, **y)
    monkeypatch.setattr(fashion_bits, "VALIDATION", 32)
    monkeypatch.setattr(fashion_bits, "CALIBRATION", 32)
    monkeypatch.setitem(FAMILIES, "tiny", tiny)

    def run(main, *arguments):
        files = "--data", str(tmp_path / "data.npz"), "--output", str(tmp_path / "out")
        short = "--batch-size", "32", "--epochs", "1"
        monkeypatch.setattr("sys.argv", ["benchmark", *files, *short, *arguments])
        main()

    return run


@pytest.mark.full
def test_finished_runs_are_kept(command, capsys):
    arguments = "--only", "tiny", "--more", "3", "--runs", *RUNS
    command(fashion_bits.main, *arguments)
    table = capsys.readouterr().out.split("tiny, test, 1 seeds, 50 images\n")[1]
    assert [line[2:20].rstrip() for line in table.splitlines()] == ["first float", "float", *RUNS]
    command(fashion_bits.main, *arguments)
    again = capsys.readouterr().out
    assert again.endswith(table) and "Epoch" not in again


@pytest.mark.full
def test_every_way_without_training_is_printed(command, capsys, monkeypatch):
    monkeypatch.setattr(fashion_collapse, "NAME", "tiny")
    command(fashion_collapse.main, "--octaves", "2")
    printed = capsys.readouterr().out
    assert printed.count("±") == len(fashion_collapse.WAYS)
    assert "seed 0, 2 octaves: float" in printed


def test_spread_keeps_the_function():
    keras.utils.set_random_seed(0)
    model = FAMILIES["MobileNetV1-like"]()
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")
    before = model(x)
    fashion_collapse.spread(model, 4, np.random.default_rng(0))
    np.testing.assert_allclose(model(x), before, rtol=1e-4, atol=1e-6)
    gammas = model.get_layer("block2_depthwise_norm").gamma.numpy()
    assert gammas.max() > 32 * gammas.min()


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_are_small(name):
    model = FAMILIES[name]()
    assert model.output_shape == (None, 10)
    assert 20_000 < model.count_params() < 200_000
