"""A LiteRT file computes the model's integers with the default delegate."""

import exported
import keras
import layer_zoo
import models
import numpy as np
import pytest
from conftest import randomize
from exported import assert_exact, assert_refused, quantized, small
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from random_networks import FEW_ISLANDS, FEW_NETWORKS, quantized_networks, with_islands

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, integer
from keras_alt.engines.litert import writer as litert_writer
from keras_alt.engines.litert.export import check_scales, write_litert
from keras_alt.export import ExportError, to_litert
from keras_alt.quantizer import quantizers

interpreter = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the `litert` extra is not installed"
)
pytestmark = pytest.mark.tensorflow_only
TOPOLOGIES = [m for m in models.FUNCTIONAL if m is not models.operators]


def opened(model, folder):
    return interpreter.Interpreter(to_litert(model, folder / "model.tflite"))


@pytest.mark.parametrize("make", TOPOLOGIES, ids=lambda make: make.__name__)
def test_every_topology_is_exact(make, rng):
    assert_exact(*quantized(randomize(make(), rng), rng, "litert"), "litert")


@pytest.mark.parametrize(
    "size",
    [pytest.param((6, 6, 4), marks=pytest.mark.full), (8, 4), (3, 4, 5, 2)],
    ids=["images", "lines", "volumes"],
)
def test_every_layer_is_exact(size, rng):
    assert_exact(*quantized(layer_zoo.network(size=size), rng, "litert"), "litert")


def test_an_average_pool_over_volumes_is_told_before_training(rng):
    inputs = keras.Input((4, 4, 4, 2))
    x = L.AveragePooling3D(2, name="pool")(L.Conv3D(3, 1)(inputs))
    model = keras_alt.quantize_model(
        keras.Model(inputs, L.Conv3D(3, 1)(x)), QuantizeConfig(target="litert")
    )
    (row,) = keras_alt.report(model).floats
    assert row.name == "pool"
    assert row.reason == "the engine of target 'litert' has no integer form of it"
    assert row.exports["to_litert"] == "refused"


@FEW_NETWORKS
@given(quantized_networks(st.just("litert"), activations=st.just(8)))
def test_random_networks_are_exact(drawn):
    assert_exact(*drawn, "litert")


@FEW_ISLANDS
@given(quantized_networks(st.just("litert"), activations=st.just(8), models=with_islands()))
def test_integers_around_random_float_layers_are_exact(drawn):
    assert_exact(*drawn, "litert")


def test_float_layers_around_the_integers_are_kept(rng):
    inputs = keras.Input((4, 4, 3))
    x = L.Conv2D(4, 3)(L.Rescaling(1 / 127.5, -1.0)(inputs))
    model = keras.Model(inputs, L.Softmax()(L.Dense(3)(L.Flatten()(x))))
    assert_exact(*quantized(model, rng, "litert"), "litert")


def embedded(dtype, rng):
    """Return a network whose embedding reads the first of its two inputs, and inputs for it."""
    ids, factors = keras.Input((12,), dtype=dtype, name="ids"), keras.Input((4,), name="factors")
    lines = L.Conv1D(4, 3, activation="relu")(L.Embedding(10, 6)(ids))
    x = L.Concatenate()([L.Flatten()(lines), L.Rescaling(0.5)(factors)])
    model = keras.Model([ids, factors], L.Dense(3)(x))
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    x = [rng.integers(0, 10, (16, 12)).astype(dtype), rng.normal(size=(16, 4)).astype("float32")]
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_whole_numbers_in_front_of_float_layers_are_kept(dtype, rng):
    assert_exact(*embedded(dtype, rng), "litert")


def test_a_file_that_does_not_load_is_not_written(rng, tmp_path, monkeypatch):
    model, _ = embedded("int32", rng)
    monkeypatch.setattr(litert_writer, "input_type", lambda tensor: "float32")
    match = "able to load.*Received: inputs 'ids' of int32, 'factors' of float32"
    assert_refused(to_litert, model, tmp_path, match, ExportError)


def pixels_through(layer, rng):
    """Return a network whose first layer computes with whole numbers, and inputs for it."""
    pixels = keras.Input((6, 6, 3), dtype="uint8", name="pixels")
    model = keras.Model(pixels, L.Conv2D(4, 3)(L.Rescaling(1 / 255)(layer(pixels))))
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    x = rng.integers(0, 256, (16, 6, 6, 3)).astype("uint8")
    keras_alt.calibrate(model, x, verbose=False)
    return model, x


def test_float_layers_see_inputs_of_the_type_of_the_model(rng):
    assert_exact(*pixels_through(L.Cropping2D(), rng), "litert")


def test_float_layers_that_cannot_be_converted_are_named(rng, tmp_path):
    model, _ = pixels_through(L.ZeroPadding2D(name="odd"), rng)
    match = "Received: .*odd.* with inputs .*'pixels' of uint8"
    assert_refused(to_litert, model, tmp_path, match, ExportError)


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_every_scale_is_the_trained_power_of_two(bits, rng, tmp_path):
    """Of activations, kernels and biases, with the codes that were trained."""
    model, _ = small(rng, "litert", weights=bits, first_and_last_weights=bits)
    reading = integer.read(model)
    program, names = reading.program, write_litert(reading, tmp_path / "model.tflite")
    found = interpreter.Interpreter(str(tmp_path / "model.tflite"))
    details = {d["name"]: d for d in found.get_tensor_details() if d["name"]}
    by_position = {position: details[name] for position, name in names.items()}
    assert set(by_position) >= set(reading.taps.values())
    for position, detail in by_position.items():
        tensor = program.tensors[position]
        assert detail["dtype"] is np.int8
        assert detail["quantization"] == (2.0**tensor.exponent, 0 if tensor.format.signed else -128)
    for step in program.steps:
        if step.operation == "add_constant":
            (bias,) = [d for name, d in details.items() if name.startswith(f"{step.layer}/bias")]
            assert bias["dtype"] is np.int32
            assert bias["quantization"][0] == 2.0 ** program.tensors[step.output].exponent
            codes = found.get_tensor(bias["index"])
            np.testing.assert_array_equal(codes, step.arguments["constant"])
        if "kernel" in step.attributes:
            constant = step.attributes["kernel"]
            kernel = details[f"{step.layer}/kernel{step.output}"]
            assert kernel["quantization"] == (2.0**constant.exponent, 0)
            codes = np.moveaxis(constant.codes, -1, 0)
            np.testing.assert_array_equal(found.get_tensor(kernel["index"]), codes)
            assert np.abs(codes).max() <= 127


@pytest.mark.parametrize("kind", ["kernel", "bias", "output"])
def test_a_wrong_scale_in_the_file_is_noticed(kind, rng, tmp_path):
    model, _ = small(rng, "litert")
    writer = litert_writer.Writer(integer.read(model))
    data = writer.written()
    name = next(name for name in writer.exponents if kind in name)
    with pytest.raises(ExportError, match=f"The scale of '{name}' must be"):
        check_scales(data, {**writer.exponents, name: writer.exponents[name] + 1})


def test_inputs_and_outputs_are_codes(rng, tmp_path):
    model, x = small(rng, "litert")
    reading = integer.read(model)
    (codes,) = integer.quantize_inputs(reading, x)
    (expected,) = integer.run(reading, x, verbose=False)
    runner = opened(model, tmp_path).get_signature_runner()
    (name,) = runner.get_input_details()
    for sample in range(3):
        (y,) = runner(**{name: codes[sample : sample + 1].astype(np.int8)}).values()
        np.testing.assert_array_equal(y, expected[sample : sample + 1])


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([lambda: L.Conv2DTranspose(2, 2, dilation_rate=2, name="odd")], "no dilation.*'odd'"),
        (
            [
                lambda: L.Conv2DTranspose(
                    2, 4, strides=2, padding="same", output_padding=0, name="odd"
                )
            ],
            "stride times the input.*'odd'",
        ),
    ],
    ids=["dilation", "output_padding"],
)
def test_what_the_format_cannot_hold_is_named(layers, match, tmp_path):
    x = inputs = keras.Input((4, 4, 3))
    for layer in layers:
        x = layer()(x)
    model = keras_alt.quantize_model(keras.Model(inputs, x), QuantizeConfig(target="litert"))
    for quantizer in quantizers(model).values():  # TensorFlow cannot run all of these
        quantizer.set_threshold(1.0)
    assert_refused(to_litert, model, tmp_path, match, ExportError)


def test_a_sum_of_three_that_was_not_split_is_refused():
    inputs = keras.Input((4,))
    x = keras_alt.Quantizer(FixedPoint(8), initial_threshold=1.0)(inputs)
    x = L.Add(name="sum")([x, x, x])
    x = keras_alt.Quantizer(FixedPoint(8), initial_threshold=1.0)(x, rounding="half_up")
    writer = litert_writer.Writer(integer.read(keras.Model(inputs, x)))
    with pytest.raises(ExportError, match="two tensors at a time.*'sum'"):
        writer.written()


def test_other_widths_of_activations_are_refused(rng, tmp_path):
    model, _ = small(rng, "litert", activations=7)
    assert_refused(to_litert, model, tmp_path, "8 bits of every tensor.*conv", ExportError)


def test_models_that_do_not_fit_are_refused(rng, tmp_path):
    exported.assert_usual_refusals(to_litert, rng, tmp_path, "litert", "onnx")


def test_a_missing_package_is_named(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "litert")
    exported.assert_needs(to_litert, model, tmp_path, "ai_edge_litert", "litert", monkeypatch)


def test_a_file_is_written_whole_or_not_at_all(rng, tmp_path, monkeypatch):
    model, _ = small(rng, "litert")
    exported.assert_written_whole(to_litert, model, tmp_path, monkeypatch)
