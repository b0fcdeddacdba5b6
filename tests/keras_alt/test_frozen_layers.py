"""What a frozen layer computes does not change in training."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs, randomize
from keras import layers as L

import keras_alt
from keras_alt.quantizer import quantizers, trained_quantizers


def backbone():
    x = inputs = keras.Input((6, 6, 2))
    x = L.Conv2D(3, 3, padding="same", activation="relu", name="a")(x)
    y = L.BatchNormalization()(L.Conv2D(3, 3, padding="same", name="b")(x))
    x = L.Add(name="add")([x, L.LeakyReLU(name="leaky")(y)])
    return keras.Model(inputs, L.SeparableConv2D(3, 3, activation="relu6", name="c")(x))


def network(rng):
    frozen = randomize(backbone(), rng)
    frozen.trainable = False
    return keras.Model(frozen.inputs, L.Dense(2, name="head")(L.Flatten()(frozen.outputs[0])))


def trained(model):
    return {name for name, q in quantizers(model).items() if q in trained_quantizers(model)}


EXPECTED = {"head/kernel", "head/accumulator", "head/output"}


@pytest.mark.backend
@pytest.mark.parametrize("format", ["keras", "h5"])
def test_a_frozen_backbone_stays_as_it_is(format, rng, tmp_path):
    x = rng.normal(size=(8, 6, 6, 2)).astype("float32")
    q = keras_alt.quantize_model(network(rng), calibration_data=x)
    assert {name for name in trained(q) if "input" not in name} == EXPECTED
    q.save(tmp_path / f"model.{format}")
    q = keras.models.load_model(tmp_path / f"model.{format}", compile=False)
    assert {name for name in trained(q) if "input" not in name} == EXPECTED
    quantizers(q)[next(iter(quantizers(q)))].trainable = False  # of the input
    head = q.get_layer("head")
    features = keras.Model(q.inputs, head.input if head.input is not None else head.inputs)
    before = keras.models.clone_model(features)
    before.set_weights(features.get_weights())

    q.compile(keras_alt.optimizers.alt(1e-2, 1e-1), "mse", run_eagerly=EAGER)
    q.fit(x, np.ones((8, 2)), epochs=3, verbose=0)

    assert_same_outputs(before, features, x)


@pytest.mark.check
def test_retargeting_keeps_layers_frozen(rng):
    x = rng.normal(size=(8, 6, 6, 2)).astype("float32")
    q = keras_alt.quantize_model(network(rng), calibration_data=x)
    found = trained(keras_alt.retarget(q, "litert", calibration_data=x))
    assert {name for name in found if "input" not in name} == EXPECTED - {"head/accumulator"}


@pytest.mark.check
def test_a_shared_threshold_trains_with_one_of_its_layers():
    inputs = keras.Input((4,))
    a, b = L.Dense(3, trainable=False, name="a")(inputs), L.Dense(3, name="b")(inputs)
    q = keras_alt.quantize_model(keras.Model(inputs, L.Dense(2)(L.Add(name="add")([a, b]))))
    assert "add/inputs" in trained(q)
    assert "a/kernel" not in trained(q)


@pytest.mark.check
def test_a_layer_frozen_after_quantization_is_frozen_in_a_file(tmp_path):
    q = keras_alt.quantize_model(backbone())
    q.get_layer("a").trainable = False
    q.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert trained(loaded) == trained(q)
    loaded.get_layer("a").trainable = True
    assert "a/kernel" in trained(loaded)
