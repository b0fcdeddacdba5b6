"""Softmax in whole numbers: probabilities, gradients, training, islands and files."""

import keras
import numpy as np
import pytest
from conftest import EAGER, assert_same_outputs, gradients, pairs
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt.exponentials import BITS, LONGEST_ROW, guard_bits
from keras_alt.integer import arithmetic
from keras_alt.layers import QuantSoftmax, ScaledSoftmax

INT8, UINT8 = FixedPoint(8), FixedPoint(8, signed=False)


def extreme_rows(length, rng, low=-128, high=127):
    """Return rows of codes: random ones, equal ones, one far above the others, near ties."""
    rows = rng.integers(low, high + 1, (8, length))
    rows[0], rows[1], rows[2] = low, high, low
    rows[2, 0] = high
    rows[3] = rng.integers(-2, 3, length)
    return rows


@pytest.mark.check
@pytest.mark.parametrize("length", [1, 2, 3, 197, 1024, 1025, LONGEST_ROW])
def test_numbers_fit_32_bits(length):
    guard = guard_bits(length)
    largest_sum = length * 2 ** (BITS + guard) + 2**guard // 2
    largest_total = largest_sum >> guard
    assert guard > 0
    assert largest_sum < 2**31
    assert 2**BITS * 2**BITS + largest_total // 2 < 2**31


@pytest.mark.check
@pytest.mark.parametrize("length", [2, 16, 197, 577, LONGEST_ROW])
@pytest.mark.parametrize("exponent", [-8, -5, -4, -3, -2, 0])
def test_probabilities_are_less_than_half_a_step_of_8_bits_off(length, exponent, rng):
    rows = extreme_rows(length, rng)
    scaled = np.exp(0.25 * 2.0**exponent * (rows - rows.max(axis=1, keepdims=True)))
    expected = scaled / scaled.sum(axis=1, keepdims=True)

    tables = QuantSoftmax(INT8, scale=0.25).exponentials(exponent, length)
    table, fine = (table.astype(np.int64) for table in tables)
    result = arithmetic.softmax(rows, table, fine, 1, BITS, guard_bits(length))

    assert np.abs(result * 2.0**-BITS - expected).max() < 2.0**-9
    assert result.max() <= 2**BITS


@pytest.mark.backend
@pytest.mark.parametrize("format", [INT8, UINT8, FixedPoint(4), FixedPoint(10)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [2, 2**10])  # the larger is compiled on TensorFlow
@pytest.mark.parametrize("axis", [-1, 1])
def test_training_computes_the_integers(format, training, size, axis, rng):
    exponent, layer = -4, QuantSoftmax(format, axis=axis, scale=0.35)
    codes = rng.integers(format.qmin, format.qmax + 1, (size, 5, 19))
    codes[0] = format.qmax
    x = (codes * 2.0**exponent).astype("float32")

    y = layer(x, input_exponent=ops.convert_to_tensor(float(exponent)), training=training)

    length = codes.shape[axis]
    tables = [table.astype(np.int64) for table in layer.exponentials(exponent, length)]
    expected = arithmetic.softmax(codes, *tables, axis, BITS, guard_bits(length)) * 2.0**-BITS
    np.testing.assert_array_equal(ops.convert_to_numpy(y), expected)


@pytest.mark.backend
@pytest.mark.parametrize("axis", [-1, 1])
def test_the_gradient_is_that_of_a_softmax(axis, rng):
    exponent, layer = -4, QuantSoftmax(INT8, axis=axis, scale=0.35)
    x = (rng.integers(-128, 128, (4, 5, 6)) * 2.0**exponent).astype("float32")
    weights = ops.convert_to_tensor(rng.normal(size=x.shape).astype("float32"))

    def computed(v):
        y = layer(v, input_exponent=ops.convert_to_tensor(float(exponent)), training=True)
        return y * weights

    (gradient,) = gradients(computed, [x])
    (expected,) = gradients(lambda v: ops.softmax(v * 0.35, axis=axis) * weights, [x])
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=3e-4)


@pytest.mark.backend
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("exponent", [np.nan, np.inf, -np.inf, -40.0, 20.0])
def test_a_softmax_without_a_table_gives_nan(exponent, training):
    layer = QuantSoftmax(INT8)
    exponent = ops.convert_to_tensor(exponent, "float32")
    for x in (0.0, np.nan, 3e38, np.inf):
        y = layer(np.full((2, 3), x, "float32"), input_exponent=exponent, training=training)
        assert np.isnan(ops.convert_to_numpy(y)).all()


# log2 of thresholds behind a softmax. Steps of codes lie far below and above those of 2**-15.
THRESHOLDS = (-40, -12, -8, -7, 0, 3, 12)
ENGINES = {"litert": "litert", "onnx": "onnxruntime", "paper": "qonnx"}


def quantized(model, x, target="litert", **options):
    q = keras_alt.quantize_model(
        model, QuantizeConfig(target=target, **options), calibration_data=x
    )
    keras_alt.calibrate(q, x, verbose=False)
    return q


def several(length, step, x, target):
    """Return a model of softmaxes that read the codes of `x`, and have each of `THRESHOLDS`."""
    inputs = keras.Input((length,), name="x")
    scores = L.Dense(length, use_bias=False, kernel_initializer="identity", name="scores")(inputs)
    softmaxes = [L.Softmax(name=f"softmax_{i}")(scores) for i in range(len(THRESHOLDS))]
    q = quantized(keras.Model(inputs, [L.Dense(2)(y) for y in softmaxes]), x, target)
    quantizers = keras_alt.quantizers(q)
    quantizers["scores/kernel"].set_threshold(2.0)
    for name in ("x/input", "scores/output"):
        quantizers[name].set_threshold(2.0 ** (step + 7))
    for i, log2_threshold in enumerate(THRESHOLDS):
        quantizers[f"softmax_{i}/output"].set_threshold(2.0**log2_threshold)
    return q


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("case", "target"), pairs([(197, -3), (7, -31), (3, 4), (1, -4)], list(ENGINES))
)
def test_engines_compute_the_integers(case, target, rng):
    length, step = case
    x = (extreme_rows(length, rng) * 2.0**step).astype("float32")
    q = several(length, step, x, target)

    result = keras_alt.verify(q, x, engine=ENGINES[target], verbose=False)

    assert sum(isinstance(layer, QuantSoftmax) for layer in q.layers) == len(THRESHOLDS)
    assert keras_alt.report(q).floats == []
    assert bool(result), str(result)


def between(function, shape=(6, 5)):
    """Return a network with a function between two layers with kernels."""
    inputs = keras.Input(shape)
    x = function(L.Dense(shape[-1] or 4, name="scores")(inputs))
    return keras.Model(inputs, L.Dense(3, name="head")(x))


def softmax_layer(model):
    (layer,) = [layer for layer in model.layers if isinstance(layer, QuantSoftmax)]
    return layer


@pytest.mark.backend
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_softmax_trains_and_survives_files(ending, rng, tmp_path):
    x = rng.normal(size=(16, 6, 5)).astype("float32")
    q = quantized(between(lambda x: ops.softmax(x / 3, axis=1)), x)
    before = [ops.convert_to_numpy(w).copy() for w in q.get_layer("scores").weights]
    loss, eager = keras.losses.MeanSquaredError(), EAGER and ending == "h5"
    q.compile(keras_alt.optimizers.alt(batch_size=16), loss, run_eagerly=eager)
    q.fit(x, np.ones((16, 6, 3)), verbose=0)
    q.save(tmp_path / f"m.{ending}")
    loaded = keras.models.load_model(tmp_path / f"m.{ending}")

    assert_same_outputs(q, loaded, x)
    after = [ops.convert_to_numpy(weight) for weight in q.get_layer("scores").weights]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert (softmax_layer(loaded).axis, softmax_layer(loaded).scale) == (1, 1 / 3)
    assert keras_alt.verify(loaded, x, engine="integer", verbose=False).mismatches == 0


@pytest.mark.parametrize(
    ("function", "axis", "scale"),
    [
        (L.Softmax(), -1, 1.0),
        (L.Activation("softmax"), -1, 1.0),
        (lambda x: ops.softmax(x, axis=1), 1, 1.0),
        (lambda x: ops.softmax(x * 0.25), -1, 0.25),
        (lambda x: L.Softmax(1)(L.Rescaling(3.0)(x)), 1, 3.0),
        (lambda x: ScaledSoftmax(scale=2.0)(x / 4), -1, 0.5),
    ],
)
def test_a_factor_in_front_goes_into_the_table(function, axis, scale, rng):
    x = rng.normal(size=(16, 6, 5)).astype("float32")
    model = between(function)
    q = quantized(model, x)

    layer = softmax_layer(q)
    assert (layer.axis, layer.scale) == (axis, scale)
    assert len(keras_alt.quantizers(q)) == 6
    restored = keras_alt.retarget(q, "onnx", calibration_data=x)
    assert softmax_layer(restored).get_config() == layer.get_config()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: L.Softmax()(x * -0.25),
        lambda x: L.Softmax()(L.Rescaling(0.5, 0.1)(x)),
        lambda x: L.Add()([L.Softmax()(y := L.Rescaling(0.5)(x)), y]),
    ],
)
def test_other_factors_stay_in_front(function, rng):
    q = quantized(between(function), rng.normal(size=(16, 6, 5)).astype("float32"))
    assert softmax_layer(q).scale == 1.0
    assert keras_alt.report(q).floats == []


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (L.Softmax(axis=(1, 2)), (6, 5)),
        (L.Softmax(axis=1), (None, 5)),
        (L.Softmax(axis=1), (LONGEST_ROW + 1, 2)),
        (lambda x: L.Softmax()(x, mask=x > 0), (6, 5)),
    ],
)
def test_other_softmaxes_stay_islands(function, shape):
    q = keras_alt.quantize_model(between(function, shape))
    assert "Softmax" in [row.type for row in keras_alt.report(q).floats]


def test_codes_without_a_table_stay_an_island():
    config = QuantizeConfig(target="onnx", overrides={"scores": {"activations": 12}})
    q = keras_alt.quantize_model(between(L.Softmax(name="softmax")), config)
    assert [row.name for row in keras_alt.report(q).floats] == ["softmax"]


def test_a_softmax_at_the_end_shapes_the_output():
    inputs = keras.Input((4,))
    outputs = L.Softmax(name="softmax")(L.Rescaling(0.5, name="scale")(L.Dense(3)(inputs)))
    q = keras_alt.quantize_model(keras.Model(inputs, outputs))
    assert [row.name for row in keras_alt.report(q).floats] == ["scale", "softmax"]


def test_hls4ml_refuses_by_name(rng, tmp_path):
    q = quantized(between(L.Softmax(name="shares")), rng.normal(size=(16, 6, 5)), "hls")
    with pytest.raises(keras_alt.export.ExportError, match="shares"):
        keras_alt.export.to_hls4ml(q, tmp_path / "project")


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_factor_must_be_positive(scale):
    with pytest.raises(ValueError, match="scale="):
        QuantSoftmax(INT8, scale=scale)
