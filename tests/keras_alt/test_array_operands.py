"""Arrays that are added to tensors or multiplied by them: where they become integers, and files."""

import keras
import numpy as np
import pytest
from conftest import assert_same_function, assert_same_outputs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.layers import ConstantTensor
from keras_alt.transforms import array_to_operand

ARRAY = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
MERGED = {
    "add": lambda x: x + ARRAY,
    "add_first": lambda x: ops.add(ARRAY, x),
    "subtract": lambda x: x - ARRAY,
    "subtract_first": lambda x: ops.subtract(ARRAY, x),
    "multiply": lambda x: x * ARRAY[None],
    "tensor": lambda x: x + ops.convert_to_tensor(ARRAY),
}


def network(function):
    inputs = keras.Input((6, 5))
    x = function(L.Dense(5, name="first")(inputs))
    return keras.Model(inputs, L.Dense(3, name="head")(x))


def constants(model):
    return [layer for layer in model.layers if isinstance(layer, ConstantTensor)]


def quantized(model, rng, target="litert", **options):
    x = rng.normal(size=(16, 6, 5)).astype("float32")
    config = QuantizeConfig(target=target, **options)
    q = keras_alt.quantize_model(model, config, calibration_data=x)
    keras_alt.calibrate(q, x, verbose=False)
    return q, x


@pytest.mark.parametrize("name", MERGED)
def test_an_array_becomes_an_operand(name, rng):
    model = network(MERGED[name])
    result = array_to_operand(model)
    assert_same_function(model, result, rng, relative=0)
    assert [layer.shape for layer in constants(result)] == [(6, 5)]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.maximum(x, ARRAY),
        lambda x: x[:, :1] + ARRAY,  # the sum is larger than the tensor
        lambda x: x + np.ones((6, 5), "int32"),
    ],
)
def test_other_operators_keep_their_arrays(function):
    inputs = keras.Input((6, 5))
    x = L.Dense(3)(L.Flatten()(function(L.Dense(5)(inputs))))
    model = keras.Model(inputs, x)
    assert array_to_operand(model) is model


def test_arrays_in_front_and_behind_stay():
    inputs = keras.Input((6, 5))
    model = keras.Model(inputs, L.Dense(5)(inputs - ARRAY) * ARRAY)
    assert array_to_operand(model) is model


@pytest.mark.backend
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_arrays_survive_files_and_retargeting(ending, rng, tmp_path):
    q, x = quantized(network(MERGED["add"]), rng)
    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")

    assert_same_outputs(q, loaded, x)
    assert keras_alt.report(loaded).floats == []
    retargeted = keras_alt.retarget(loaded, "onnx", calibration_data=x)
    np.testing.assert_array_equal(constants(retargeted)[0].value, ARRAY)
    assert keras_alt.verify(retargeted, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("bits", [4, 8, 12])
def test_an_array_may_have_another_width(bits, rng):
    model = network(lambda x: L.ReLU()(x) + ARRAY)
    q, x = quantized(model, rng, "onnx", overrides={"*_constant": {"activations": bits}})

    assert keras_alt.report(q).floats == []
    assert bool(keras_alt.verify(q, x, engine="onnxruntime", verbose=False))
    assert bool(keras_alt.verify(q, x, engine="integer", verbose=False))


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(("target", "engine"), [("litert", "litert"), ("onnx", "onnxruntime")])
def test_an_array_in_front_of_a_float_layer_is_float_with_it(target, engine, rng):
    q, x = quantized(network(lambda x: L.LayerNormalization()(x * ARRAY)), rng, target)
    result = keras_alt.verify(q, x, engine=engine, verbose=False)
    assert result and result.total
    assert result.behind
