"""A model moved to another target is the one that the target gives; and back, the same."""

from dataclasses import replace

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_outputs, outputs, randomize, sample
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.quantizer import quantizers


def varied():
    """Every kind of layer that a configuration can name, under names of its own."""
    x = inputs = keras.Input((6, 6, 3), name="image")
    x = L.Rescaling(2.0, name="scale")(x)
    x = L.ReLU(name="relu")(L.Conv2D(4, 3, padding="same", name="conv")(x))
    y = L.ReLU(6.0, name="relu6")(L.Conv2D(4, 3, padding="same", name="inner")(x))
    x = L.Add(name="add")([x, L.Conv2D(4, 3, padding="same", name="linear")(y)])
    x = L.MaxPooling2D(2, name="max")(L.ReLU(name="joined")(x))
    y = L.LeakyReLU(negative_slope=0.1, name="leaky")(L.Conv2D(4, 2, name="sloped")(x))
    z = L.ReLU(name="branch")(L.Conv2D(4, 2, name="other")(x))
    x = L.Concatenate(name="concat")([L.AveragePooling2D(2, 1, name="average")(x), y, z])
    x = L.ReLU(name="last")(L.Conv2D(4, 1, name="narrow")(x))
    x = L.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, L.Dense(3, activation="softmax", name="head")(x))


CONFIGS = {
    "activations": {"activations": 4},
    "weights": {"weights": 4, "first_and_last_weights": 6},
    "biases and sums": {"biases": 24, "accumulators": 20},
    "float biases": {"biases": None},
    "float sums": {"accumulators": None},
    "weights only": {"activations": None, "inputs": None},
    "activations only": {"weights": None, "first_and_last_weights": None},
    "one activation only": {"activations": None, "overrides": {"joined": {"activations": 8}}},
    "float inputs": {"inputs": None},
    "wide inputs": {"inputs": 16},
    "overrides": {
        "overrides": {
            "relu6": {"activations": 5},
            "linear": {"activations": 5, "weights": 3},
            "other": {"accumulators": 20, "biases": 20},
            "l*": {"activations": None},
        }
    },
    "without most activations": {"skip": ("relu*", "leaky", "last")},
    "without merges": {"skip": ("add", "concat")},
    "without pools": {"skip": ("max", "average", "mean")},
    "without kernels": {"skip": ("linear", "head")},
    "shared": {"share": (("relu6", "branch", "last"), ("conv*", "linear", "narrow"))},
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return QuantizeConfig(**request.param)


def quantized(model, config, target):
    """Return a quantized model with a different threshold everywhere."""
    q = keras_alt.quantize_model(model, replace(config, target=target))
    for i, quantizer in enumerate(quantizers(q).values()):
        quantizer.set_threshold(2.0 ** (0.37 * i % 3))
    return q


def formats(model):
    return {name: str(quantizer.format) for name, quantizer in quantizers(model).items()}


def assert_thresholds_kept(old, new):
    known = quantizers(old)
    for name, quantizer in quantizers(new).items():
        if name in known and known[name].format.bits == quantizer.format.bits:
            assert quantizer.threshold == known[name].threshold, name


def test_the_quantizers_are_those_of_quantizing_for_the_target(config):
    model = varied()
    paper, litert = (quantized(model, config, target) for target in ("paper", "litert"))

    moved = keras_alt.retarget(paper, "litert")

    assert formats(moved) == formats(litert)
    assert_thresholds_kept(paper, moved)
    assert formats(keras_alt.retarget(moved, "paper")).items() >= formats(paper).items()


@pytest.mark.parametrize("target", ["paper", "onnx"])
def test_to_its_own_target_nothing_changes(config, target, rng):
    q = quantized(varied(), config, target)
    same = keras_alt.retarget(q, target)
    assert formats(same) == formats(q)
    assert_same_outputs(q, same, sample(q, rng))
