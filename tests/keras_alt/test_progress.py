"""A terminal gets bars; a log file gets few plain lines."""

import sys

import keras
import numpy as np
import pytest

import keras_alt
from keras_alt.progress import BAR, LINES, SILENT, verbosity

X = np.linspace(-1, 1, 64, dtype="float32").reshape(8, 8)


@pytest.fixture
def quantized():
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(2)]
    return keras_alt.quantize_model(keras.Sequential([keras.Input((8,)), *layers]))


def test_calibration_writes_a_line_into_a_file(quantized, capsys):
    keras_alt.calibrate(quantized, X)
    keras_alt.verify(quantized, X)

    first, second = capsys.readouterr().out.splitlines()
    assert "s/layer" in first
    assert second.startswith("8/8 - ")
    assert not {"\r", "\b", "\x1b"} & {*first, *second}


def test_a_recipe_writes_a_line_for_each_step(capsys):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])

    keras_alt.recipes.retrain(model, (X, np.zeros((8, 4))), "mse", epochs=2, metric="mae")

    out = capsys.readouterr().out
    assert out.count("Epoch ") == 2
    assert not {"\r", "\b", "\x1b"} & {*out}


def test_nothing_is_written_on_request(quantized, capsys):
    keras_alt.calibrate(quantized, X, verbose=False)

    assert capsys.readouterr().out == ""


@pytest.mark.check
def test_only_what_can_draw_gets_bars(monkeypatch):
    assert verbosity(True) == LINES
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert (verbosity(True), verbosity(False)) == (BAR, SILENT)


@pytest.mark.check
def test_notebooks_get_bars(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)

    assert verbosity(True) == BAR
