"""Inputs that are never negative keep all bits, and leading rescalings fold into kernels."""

import keras
import numpy as np
import pytest
from conftest import outputs
from exported import assert_exact
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.quantizer import quantizers
from keras_alt.transforms import canonical, fold_rescaling


def network(*layers, size=(6, 6, 3), dtype="float32"):
    x = inputs = keras.Input(size, dtype=dtype, name="pixels")
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, L.Dense(3, name="head")(L.Flatten(name="flat")(x)))


def pixels(rng, count=16, size=(6, 6, 3)):
    return rng.integers(0, 256, (count, *size)).astype("float32")


def rescalings(model):
    return [(layer.scale, layer.offset) for layer in model.layers if type(layer) is L.Rescaling]


def entrance(model):
    return next(iter(quantizers(model).values()))


HALVES = [(1 / 255, 0.0), (1 / 127.5, -1.0), (0.017, 0.3), (-3.0, 2.0), (1.0, -4.0)]
KERNELS = {
    "conv": lambda: L.Conv2D(4, 3),
    "conv_without_bias": lambda: L.Conv2D(4, 3, strides=2, use_bias=False),
    "grouped": lambda: L.Conv2D(6, 3, groups=3),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
    "separable": lambda: L.SeparableConv2D(4, 3),
    "dense": lambda: L.Dense(4),
}


@pytest.mark.check
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("scale", "offset"), HALVES)
def test_a_rescaling_is_folded_down_to_a_power_of_two(kernel, scale, offset, rng):
    model = network(L.Rescaling(scale, offset), KERNELS[kernel]())
    x = pixels(rng)
    result = canonical(model, QuantizeConfig(inputs="uint8"))
    before, after = outputs(model, x)[0], outputs(result, x)[0]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())
    power = 2.0 ** np.round(np.log2(abs(scale)))
    assert rescalings(result) == ([] if power == 1 else [(power, 0.0)])
    assert fold_rescaling(result) is result
    kept = canonical(model, QuantizeConfig())
    assert rescalings(kept) == [(scale, offset)]


@pytest.mark.check
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.Rescaling(1 / 255), L.Conv2D(4, 3, padding="same")],
        lambda: [L.Rescaling(1 / 255), L.ZeroPadding2D(), L.Conv2D(4, 3)],
        lambda: [L.Rescaling(1 / 255), L.Conv2DTranspose(4, 3, strides=2)],
        lambda: [L.Rescaling(1 / 127.5, -1.0), L.Cropping2D(), L.Conv2D(4, 3)],
        lambda: [L.Rescaling(1 / 255), L.Rescaling(2.0, -1.0), L.Conv2D(4, 3)],
        lambda: [lambda x: x / 255 - 0.5, L.Conv2D(4, 3), L.BatchNormalization()],
        lambda: [L.Rescaling(1 / 255, 0.2), L.BatchNormalization(), L.ReLU()],
    ],
    ids=["same", "padding", "transposed", "moves", "chain", "operators", "batch norm"],
)
def test_a_rescaling_is_folded_through_what_keeps_the_function(layers, rng):
    model, x = network(*layers()), pixels(rng)
    result = canonical(model, QuantizeConfig(inputs="uint8"))
    before, after = outputs(model, x)[0], outputs(result, x)[0]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())
    ((scale, offset),) = rescalings(result)
    assert offset == 0.0 and np.log2(scale) == np.round(np.log2(scale))


@pytest.mark.check
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.Rescaling(1 / 127.5, -1.0), L.Conv2D(4, 3, padding="same")],
        lambda: [L.Rescaling(1 / 127.5, -1.0), L.ZeroPadding2D(), L.Conv2D(4, 3)],
        lambda: [L.Rescaling(1 / 127.5, -1.0), L.Conv2DTranspose(4, 3)],
        lambda: [L.Rescaling(1 / 255), L.Conv2D(4, 3, kernel_constraint="max_norm")],
        lambda: [L.Rescaling([0.1, 0.2, 0.3]), L.Conv2D(4, 3)],
        lambda: [L.Rescaling(1 / 255), lambda x: L.Add()([L.Conv2D(3, 1)(x), x])],
        lambda: [L.Rescaling(1 / 255), L.MaxPooling2D(2), L.Conv2D(4, 2)],
    ],
    ids=["same", "padding", "transposed", "constraint", "vector", "two readers", "pool"],
)
def test_a_rescaling_stays_where_folding_changes_the_function(layers):
    model = network(*layers())
    assert fold_rescaling(model) is model


def test_bytes_are_their_own_codes(rng):
    """Also dark ones, under any rule, so that brighter ones fit later."""
    for layers in ([], [L.Rescaling(1 / 255)], [L.Rescaling(1 / 127.5, -1.0)]):
        model = network(*layers, L.Conv2D(4, 3))
        config = QuantizeConfig(inputs="uint8", target="litert")
        dark = keras_alt.quantize_model(model, config, np.minimum(pixels(rng), 60))
        every = np.arange(256, dtype="float32").repeat(108).reshape(-1, 6, 6, 3)
        (codes,) = keras_alt.integer.quantize_inputs(keras_alt.integer.read(dark), every)
        assert entrance(dark).format == keras_alt.FixedPoint(8, signed=False)
        np.testing.assert_array_equal(codes, every)


def test_other_data_that_is_never_negative_gets_a_threshold_of_its_own(rng):
    model, x = network(L.Conv2D(4, 3)), rng.uniform(0, 3, (32, 6, 6, 3)).astype("float32")
    half = keras_alt.quantize_model(model, QuantizeConfig(inputs="uint8"), x)
    assert entrance(half).threshold <= 4.0
    assert np.isfinite(half.predict(x, verbose=False)).all()


def test_codes_behind_layers_that_give_negative_values_are_signed(rng):
    stays = [L.Rescaling(1 / 127.5, -1.0), L.Conv2D(4, 3, padding="same")]
    model, x = network(*stays), pixels(rng)
    result = keras_alt.quantize_model(model, QuantizeConfig(inputs="uint8"), x)
    assert entrance(result).format.signed
    for layer in (L.Normalization(mean=128.0, variance=100.0), L.Resizing(4, 4, "bicubic")):
        plan = keras_alt.quantize_model(network(layer), QuantizeConfig(inputs="uint8"))
        assert entrance(plan).format.signed
    for layer in (L.Resizing(4, 4), L.CenterCrop(4, 4), L.Rescaling([1.0, 2.0, 3.0], 1.0)):
        plan = keras_alt.quantize_model(network(layer), QuantizeConfig(inputs="uint8"))
        assert not entrance(plan).format.signed


def test_the_sign_of_the_data_chooses_the_format(rng):
    model, x = network(L.Rescaling(1 / 255), L.Conv2D(4, 3)), pixels(rng)
    for data, inputs in ((x, "uint8"), (x - 1, "int8")):
        chosen = keras_alt.quantize_model(model, QuantizeConfig(inputs="auto"), data)
        stated = keras_alt.quantize_model(model, QuantizeConfig(inputs=inputs))
        keras_alt.calibrate(stated, data, verbose=False)
        assert entrance(chosen).format.signed == (inputs == "int8")
        np.testing.assert_array_equal(*(outputs(m, data)[0] for m in (chosen, stated)))
    batches = (x[i : i + 4] for i in range(0, 16, 4))  # can be read once
    once = keras_alt.quantize_model(model, QuantizeConfig(inputs="auto"), batches)
    assert not entrance(once).format.signed
    with pytest.raises(ValueError, match="'int8' or 'uint8'"):
        keras_alt.quantize_model(model, QuantizeConfig(inputs="auto"))


@pytest.mark.check
@pytest.mark.parametrize("inputs", ["uint1", "float32", "int", "u8", 1, "uint33"])
def test_other_formats_of_inputs_are_refused(inputs):
    with pytest.raises(ValueError, match="such as 'uint8'.*Received: inputs="):
        QuantizeConfig(inputs=inputs)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("target", "engine"),
    [("paper", "integer"), ("paper", "qonnx"), ("litert", "litert"), ("onnx", "onnxruntime")],
)
def test_engines_compute_unsigned_inputs(target, engine, rng):
    layers = [L.Rescaling(1 / 127.5, -1.0), L.Conv2D(4, 3), L.ReLU()]
    config = QuantizeConfig(inputs="uint8", target=target)
    result = keras_alt.quantize_model(network(*layers), config, pixels(rng))
    assert_exact(result, pixels(rng), engine)


def test_training_and_files_keep_the_format(rng, tmp_path):
    model = network(L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu"), dtype="uint8")
    x = pixels(rng).astype("uint8")
    result = keras_alt.quantize_model(model, QuantizeConfig(inputs="uint8"), x)
    result.compile(keras_alt.optimizers.alt(batch_size=8), "mse")
    result.fit(x, np.zeros((16, 3)), batch_size=8, verbose=0)
    result.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_exact(loaded, x, "integer")
    moved = keras_alt.retarget(loaded, "onnx", calibration_data=x)
    assert [c.layer.name for c in Graph(moved).calls][0] == "rescaling"
    assert not entrance(moved).format.signed
    signed = keras_alt.retarget(loaded, inputs=8, calibration_data=x)
    assert entrance(signed).format.signed
