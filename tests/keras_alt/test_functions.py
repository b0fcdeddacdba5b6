"""Elementwise functions as tables: values, slopes, training and files."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs, gradients
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import FixedPoint, functions
from keras_alt.functions import EXPONENTS, function_of, is_ever_negative, tabulated
from keras_alt.layers import QuantFunction

INT8, UINT8 = FixedPoint(8), FixedPoint(8, signed=False)


def operation(function):
    """Return the Keras operator that a function calls."""
    x = keras.Input((3,))
    return keras.Model(x, function(x)).operations[-1]


LAYERS = {
    **{name: L.Activation(name) for name in functions.ACTIVATIONS},
    "elu layer": L.ELU(0.3),
    "relu": L.ReLU(4.0, negative_slope=0.1, threshold=0.5),
    "rescaling": L.Rescaling(-0.7, 0.2),
    "absolute": operation(ops.abs),
    "negative": operation(ops.negative),
    "square": operation(ops.square),
    "exp": operation(ops.exp),
    "clip": operation(lambda x: ops.clip(x, -1.0, 2.0)),
    "gelu operator": operation(lambda x: ops.gelu(x, approximate=True)),
    "celu operator": operation(lambda x: ops.celu(x, 0.5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_function_is_that_of_keras(name):
    x = np.linspace(-6, 6, 997)

    expected = ops.convert_to_numpy(LAYERS[name](ops.convert_to_tensor(x, "float32")))

    np.testing.assert_allclose(function_of(LAYERS[name])(x), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["silu", "gelu", "softplus", "tanh", "selu", "square"])
def test_slopes_are_the_derivative(name):
    exponent = -4
    x = np.arange(-128, 128, dtype="float32") * 2.0**exponent
    x = x[x != 0]  # selu has a kink there

    (expected,) = gradients(lambda v: LAYERS[name](v), [x])
    slopes = tabulated(function_of(LAYERS[name]), INT8)[1][exponent - EXPONENTS.start + 1]

    np.testing.assert_allclose(np.delete(slopes, 128), expected, rtol=1e-4, atol=1e-5)


def test_poles_and_values_outside_the_domain_are_finite():
    for function in functions.OPERATORS.values():
        values, slopes = tabulated(function, INT8)
        assert np.isfinite(values[1:-1]).all()
        assert np.isfinite(slopes[1:-1]).all()


@pytest.mark.parametrize(
    ("name", "signed", "negative"),
    [("silu", True, True), ("silu", False, False), ("sigmoid", True, False), ("tanh", True, True)],
)
def test_the_sign_of_the_values_follows_from_the_function(name, signed, negative):
    assert is_ever_negative(functions.ACTIVATIONS[name], signed) == negative


@pytest.mark.backend
@pytest.mark.parametrize("format", [INT8, UINT8, FixedPoint(4)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [1, 2**10])  # the larger is compiled on TensorFlow
def test_training_computes_the_table_and_its_slopes(format, training, size, rng):
    exponent, layer = -3, QuantFunction(L.Activation("silu"), format)
    codes = rng.integers(format.qmin, format.qmax + 1, (size, 100))
    x = np.ldexp(codes, exponent).astype("float32")
    row = exponent - EXPONENTS.start + 1
    values, slopes = (table[row][codes - format.qmin] for table in layer.tables)

    y = layer(ops.convert_to_tensor(x), input_exponent=np.float32(exponent), training=training)
    (dx,) = gradients(lambda v: layer(v, np.float32(exponent), training=training), [x])

    np.testing.assert_array_equal(ops.convert_to_numpy(y), values)
    np.testing.assert_array_equal(dx, slopes)


@pytest.mark.backend
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("exponent", [np.nan, np.inf, -np.inf, -60, 60])
def test_a_grid_without_a_table_gives_nan(exponent, training):
    layer = QuantFunction(L.Activation("silu"), INT8)
    for x in (0.0, np.nan, 3e38, np.inf):
        y = layer(ops.full((2, 3), x), input_exponent=np.float32(exponent), training=training)
        assert np.isnan(ops.convert_to_numpy(y)).all()


def network():
    x = inputs = keras.Input((6, 6, 2))
    x = L.Activation("silu", name="silu")(L.Conv2D(4, 3, name="conv")(x))
    gate = L.Dense(4, activation="hard_sigmoid", name="gate")(L.GlobalAveragePooling2D()(x))
    x = L.Multiply(name="scale")([x, L.Reshape((1, 1, 4))(gate)])
    return keras.Model(inputs, L.Dense(3, activation="sigmoid")(L.Flatten()(x)))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("target", ["paper", "litert"])
def test_a_table_survives_files(target, ending, rng, tmp_path):
    x = rng.normal(size=(32, 6, 6, 2)).astype("float32")
    q = keras_alt.quantize_model(network(), keras_alt.QuantizeConfig(target=target))
    keras_alt.calibrate(q, x, verbose=False)

    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")

    assert_same_outputs(loaded, q, x)


def test_functions_stay_float_in_front_and_behind():
    x = inputs = keras.Input((4, 4, 2))
    x = L.Conv2D(4, 3, name="conv")(L.Rescaling(1 / 255, name="front")(x))
    x = L.Conv2D(4, 1, name="last")(L.Activation("silu", name="inner")(x))
    q = keras_alt.quantize_model(keras.Model(inputs, L.Activation("tanh", name="behind")(x)))

    assert [row.name for row in keras_alt.report(q).floats] == ["front", "behind"]
    assert isinstance(q.get_layer("inner"), QuantFunction)


def test_wide_activations_leave_a_function_float():
    q = keras_alt.quantize_model(network(), keras_alt.QuantizeConfig(activations=16))
    assert isinstance(q.get_layer("silu"), L.Activation)


def test_retarget_keeps_the_thresholds_of_tables(rng):
    x = rng.normal(size=(32, 6, 6, 2)).astype("float32")
    q = keras_alt.quantize_model(network(), calibration_data=x)
    r = keras_alt.retarget(q, "litert", calibration_data=x)

    for name in ("conv/output", "silu/output", "scale/output"):
        assert keras_alt.quantizers(r)[name].threshold == keras_alt.quantizers(q)[name].threshold


def test_an_unknown_function_is_refused():
    with pytest.raises(ValueError, match="`function` must be elementwise"):
        QuantFunction(L.Softmax(), INT8)
