"""A model with open sizes computes its integers at every size, in one file or in one for each."""

import keras
import numpy as np
import pytest
from conftest import outputs
from exported import assert_exact, assert_refused
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.export import ExportError, to_litert, to_onnx
from keras_alt.quantizer import quantizers

interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs the extra `litert`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
pytestmark = pytest.mark.tensorflow_only
SIZES = [(12, 16), (20, 8)]


def denoiser():
    """A network that removes noise from images of any even size."""
    inputs = keras.Input((None, None, 1), name="noisy")
    x = wide = L.Conv2D(8, 3, padding="same", activation="relu", name="first")(inputs)
    x = L.MaxPooling2D(2)(x)
    x = L.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu")(x)
    x = L.DepthwiseConv2D(3, padding="same")(x)
    x = L.UpSampling2D(2)(x)
    x = L.Concatenate()([x, wide])
    noise = L.Conv2D(1, 3, padding="same", name="noise")(x)
    return keras.Model(inputs, L.Add(name="clean")([inputs, noise]))


def images(rng, size, count=4, channels=1):
    return rng.normal(size=(count, *size, channels)).astype("float32")


def calibrated(model, rng, target, size=(16, 16)):
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target=target))
    keras_alt.calibrate(quantized, images(rng, size, 8), verbose=False)
    return quantized


def with_litert(path, x):
    runner = interpreter.Interpreter(path).get_signature_runner()
    (name,) = runner.get_input_details()
    return np.concatenate(
        [next(iter(runner(**{name: row}).values())) for row in np.split(x, len(x))]
    )


def with_onnx(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def write(model, target, folder, **rules):
    if target == "litert":
        path = to_litert(model, folder / "model.tflite", "float32", "float32", **rules)
        return lambda x: with_litert(path, x)
    path = to_onnx(model, folder / "model.onnx", **rules)
    return lambda x: with_onnx(path, x)


@pytest.mark.parametrize("target", ["litert", "onnx"])
def test_one_file_of_a_denoiser_computes_every_size(target, rng, tmp_path):
    model = calibrated(denoiser(), rng, target)
    compute = write(model, target, tmp_path)
    for size in SIZES:
        x = images(rng, size)
        np.testing.assert_array_equal(compute(x), outputs(model, x)[0])


@pytest.mark.parametrize(
    ("target", "engine"), [("litert", "litert"), ("onnx", "onnxruntime"), ("paper", "integer")]
)
def test_verify_takes_the_size_of_the_data(target, engine, rng):
    model = calibrated(denoiser(), rng, target)
    for size in SIZES:
        assert_exact(model, images(rng, size), engine)
    with pytest.raises(ValueError, match="must fit the shape"):
        keras_alt.verify(model, images(rng, SIZES[0], channels=2), verbose=False)


@pytest.mark.parametrize("target", ["litert", "onnx"])
def test_a_shape_that_is_given_makes_a_file_of_that_shape(target, rng, tmp_path):
    """Also for layers that need to know it."""
    inputs = keras.Input((None, None, 1))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = L.GlobalAveragePooling2D(name="mean")(x)
    model = calibrated(keras.Model(inputs, L.Dense(3)(x)), rng, target)
    for size in SIZES:
        x = images(rng, size)
        compute = write(model, target, tmp_path, input_shape=(*size, 1))
        np.testing.assert_array_equal(compute(x), outputs(model, x)[0])
        assert_exact(model, x, {"litert": "litert", "onnx": "onnxruntime"}[target])
    with pytest.raises(ValueError, match="needs inputs of known size.*`input_shape=`"):
        write(model, target, tmp_path)


def test_integers_have_open_sizes(rng):
    model = calibrated(denoiser(), rng, "paper")
    reading = integer.read(model)
    assert reading.program.tensors[reading.program.inputs[0]].shape == (None, None, 1)
    for size in SIZES:
        x = images(rng, size)
        (codes,) = integer.run(reading, x, verbose=False)
        exponent = reading.program.tensors[reading.program.outputs[0]].exponent
        np.testing.assert_array_equal(np.ldexp(codes, exponent), model.predict(x, verbose=False))


OPEN = {
    "valid pool": lambda: [L.Conv2D(3, 3), L.AveragePooling2D(2), L.Conv2D(2, 1, strides=2)],
    "odd valid": lambda: [L.Conv2D(3, 2, strides=2), L.MaxPooling2D(3, 2), L.ReLU(4.0)],
    "padding": lambda: [L.ZeroPadding2D(1), L.Conv2D(3, 3), L.Cropping2D(((1, 0), (2, 0)))],
    "pointwise": lambda: [L.Dense(4, activation="relu"), L.UpSampling2D((3, 1)), L.Dense(2)],
    "leaky": lambda: [L.Conv2D(3, 3, padding="same"), L.LeakyReLU(), L.MaxPooling2D(2, 1, "same")],
    "softmax": lambda: [L.Rescaling(0.1), L.Conv2D(3, 3, padding="same"), L.Softmax()],
}


@pytest.mark.parametrize("target", ["litert", "onnx"])
@pytest.mark.parametrize("case", OPEN)
def test_layers_that_need_no_size_leave_it_open(case, target, rng, tmp_path):
    model = keras.Sequential([keras.Input((None, None, 2)), *OPEN[case]()])
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target=target))
    keras_alt.calibrate(quantized, images(rng, (16, 16), channels=2), verbose=False)
    compute = write(quantized, target, tmp_path)
    for size in [(13, 17), (20, 8)]:
        x = images(rng, size, channels=2)
        atol = 1e-6 if case == "softmax" else 0
        np.testing.assert_allclose(compute(x), outputs(quantized, x)[0], atol=atol)


def test_lines_of_open_length_need_a_shape_in_litert(rng, tmp_path):
    model = keras.Sequential([keras.Input((None, 4)), L.Conv1D(3, 3, name="odd")])
    model = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    for quantizer in quantizers(model).values():
        quantizer.set_threshold(1.0)
    assert_refused(to_litert, model, tmp_path, "give `to_litert` an `input_shape`", ExportError)
    to_litert(model, tmp_path / "lines.tflite", input_shape=(12, 4))


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((8, 8), "must fit the shape"),
        ((8, 8, 3), "must fit the shape"),
        ((8, None, 1), "without open sizes"),
        ([(8, 8, 1), (8, 8, 1)], "one for each"),
        ({"other": (8, 8, 1)}, "must have the keys noisy"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(shape, match, rng, tmp_path):
    model = calibrated(denoiser(), rng, "litert")
    with pytest.raises(ValueError, match=match):
        to_litert(model, tmp_path / "model.tflite", input_shape=shape)


def test_inputs_with_names_take_shapes_by_name(rng, tmp_path):
    first, second = keras.Input((None, 4), name="b"), keras.Input((3,), name="a")
    x = L.Concatenate()([L.GlobalMaxPooling1D()(L.Dense(4)(first)), second])
    model = keras.Model({"b": first, "a": second}, L.Dense(2)(x))
    model = keras_alt.quantize_model(model, QuantizeConfig(target="onnx"))
    x = {"b": rng.normal(size=(8, 6, 4)), "a": rng.normal(size=(8, 3))}
    keras_alt.calibrate(model, x, verbose=False)
    assert_exact(model, x, "onnxruntime")
    to_onnx(model, tmp_path / "model.onnx", input_shape={"a": (3,), "b": (6, 4)})
