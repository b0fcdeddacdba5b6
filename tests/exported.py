"""What the tests of all exporters share: networks to export, and the law that they hold to."""

import importlib.util
import os

import keras
import models
import numpy as np
import pytest
from conftest import sample

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers


def assert_exact(model, x, engine):
    """The file computes the integers of the model: at every output, and wherever one can look."""
    result = keras_alt.verify(model, x, engine=engine, verbose=False)
    assert result.total > 0
    assert result, str(result)
    assert result.first_difference is None, str(result)


def quantized(model, rng, target, **widths):
    """Return `model` with random biases, quantized and calibrated, and inputs for it."""
    for variable in model.weights:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.3, variable.shape))
    x = sample(model, rng, 16)
    result = keras_alt.quantize_model(model, QuantizeConfig(target=target, **widths))
    keras_alt.calibrate(result, x, verbose=False)
    return result, x


def assert_refused(export, model, folder, match, error=ValueError):
    """Nothing is left of a file that could not be written."""
    with pytest.raises(error, match=match):
        export(model, folder / "file.model")
    assert os.listdir(folder) == []


def small(rng, target, **widths):
    """Return a quantized network of two layers, and inputs for it."""
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    outputs = keras.layers.Dense(3, name="head")(keras.layers.Flatten()(x))
    return quantized(keras.Model(inputs, outputs), rng, target, **widths)


def with_large_codes(model, rng):
    """Return inputs after setting kernels to their outermost codes, of both signs."""
    for quantizer in quantizers(model).values():
        quantizer.set_threshold(1.0)
    for variable in model.weights:
        if variable.name == "kernel":
            variable.assign(rng.choice([-2.0, 2.0], variable.shape, p=[0.1, 0.9]))
    return np.abs(sample(model, rng, 16)) + 0.5


def assert_usual_refusals(export, rng, folder, fitting, unfit):
    """Every exporter refuses these models with the way out."""
    uncalibrated = keras_alt.quantize_model(models.nested(), QuantizeConfig(target=fitting))
    assert_refused(export, uncalibrated, folder, "keras_alt.calibrate")
    assert_refused(export, models.nested(), folder, "without any quantizer")
    other, _ = small(rng, unfit)
    assert_refused(export, other, folder, r"keras_alt.retarget\(model, target\)")


def assert_refuses_floats(export, rng, folder, fitting):
    """An exporter of integers names the float layers between quantizers, and the way out."""
    inside, _ = quantized(models.float_inside(), rng, fitting)
    message = "export with `to_litert` or `to_onnx`.*float layers layer_normalization"
    assert_refused(export, inside, folder, message)


def assert_needs(export, model, folder, module, extra, monkeypatch):
    """A missing package is an error that says what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == module else find(name, *rest),
    )
    assert_refused(export, model, folder, rf"pip install 'keras-alt\[{extra}\]'", ImportError)


def assert_written_whole(export, model, folder, monkeypatch):
    """A path that cannot be written and a disk that is full leave nothing, or what was there."""
    with pytest.raises(FileNotFoundError, match="folder of a file to write must exist"):
        export(model, folder / "missing" / "file.model")
    (folder / "file.model").write_text("old")

    def fails(source, target):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="No space left"):
            export(model, folder / "file.model")
    assert os.listdir(folder) == ["file.model"]
    assert (folder / "file.model").read_text() == "old"
    export(model, folder / "file.model")
    assert (folder / "file.model").stat().st_size > 1000
