"""The integers of a program are the codes of the model, exactly."""

import keras
import models
import numpy as np
import pytest
from conftest import outputs, pairs, randomize, sample
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import layers as L
from random_networks import FEW_NETWORKS, quantized_networks

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig, integer
from keras_alt.integer import arithmetic
from keras_alt.numerics.rounding import ROUNDINGS, STEPPED
from keras_alt.quantizer import Quantizer, quantizers
from keras_alt.targets import TARGETS

# On other backends, the targets that round in the most different ways will do.
EVERYWHERE = ("paper", "litert")
INTEGER = [m for m in models.FUNCTIONAL if m not in (models.operators, models.float_inside)]
CASES = pairs(
    INTEGER,
    sorted(TARGETS),
    lambda make, target: [pytest.mark.backend] * (target in EVERYWHERE),
)


def assert_same_integers(model, x):
    """Compare every tensor behind a quantizer node with the code that Keras computes."""
    reading = integer.read(model)
    program, codes = reading.program, integer.quantize_inputs(reading, x)
    values = integer.trace(program, codes)
    tensors = list(reading.taps)
    simulated = outputs(keras.Model(model.inputs, tensors), keras.tree.flatten(x))
    assert simulated
    for tensor, value in zip(tensors, simulated, strict=True):
        position = reading.taps[tensor]
        exponent = program.tensors[position].exponent
        np.testing.assert_array_equal(np.ldexp(value, -exponent), values[position])


@pytest.mark.parametrize(("make", "target"), CASES)
def test_every_topology_is_the_same_in_integers(make, target, rng):
    model = randomize(make(), rng)
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target=target))
    x = sample(model, rng, 16)
    keras_alt.calibrate(quantized, x, verbose=False)

    assert_same_integers(quantized, x)


@pytest.mark.backend
@FEW_NETWORKS
@given(quantized_networks(st.sampled_from(sorted(TARGETS))))
def test_random_networks_are_the_same_in_integers(drawn):
    assume(not integer.read(drawn[0]).islands)  # some targets keep more layers in float
    assert_same_integers(*drawn)


@pytest.mark.parametrize("rounding", sorted(set(ROUNDINGS) - set(STEPPED)))
@pytest.mark.parametrize("divisor", [1, 3, 4, 9])
@pytest.mark.parametrize("shift", [-2, 0, 1, 5])
def test_requantize_is_the_rounding_rule(rounding, divisor, shift):
    format = FixedPoint(8, signed=False)
    codes = np.arange(-2000, 2000)
    offset = -128

    result = arithmetic.requantize(codes, shift, rounding, 0, 255, offset, divisor)

    # Exact in float64, but for quotients by 3 and 9, which are never near a tie.
    real = keras.ops.convert_to_tensor(codes / (divisor * 2.0**shift), "float32")
    expected = np.clip(keras.ops.convert_to_numpy(ROUNDINGS[rounding](real, format)), 0, 255)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("shift", [-2, 0, 1, 2, 5])
def test_requantize_is_the_double_rounding_of_sums(shift):
    codes = np.arange(-2000, 2000)
    result = arithmetic.requantize(codes, shift, "double", -128, 127)
    step = 2.0**-shift
    real = keras.ops.convert_to_tensor(codes * step, "float32")
    rounded = keras.ops.convert_to_numpy(ROUNDINGS["double"](real, FixedPoint(8), step))
    np.testing.assert_array_equal(result, np.clip(rounded, -128, 127))


def test_accumulators_bound_every_sum(rng):
    quantized = keras_alt.quantize_model(models.residual(), QuantizeConfig(target="litert"))
    keras_alt.calibrate(quantized, sample(quantized, rng, 16), verbose=False)
    reading = integer.read(quantized)
    program = reading.program
    worst = {row.layer: row for row in integer.accumulators(reading)}
    x = 100.0 * rng.normal(size=(16, 8, 8, 3)).astype("float32")
    values = integer.trace(program, integer.quantize_inputs(reading, x))

    sums = [step for step in program.steps if step.operation == "add_constant"]
    assert len(sums) == len(worst)
    for step in sums:
        assert np.abs(values[step.output]).max() <= worst[step.layer].worst
        assert worst[step.layer].exact_in_float32


def test_a_sum_beyond_float32_is_reported():
    model = keras.Sequential([keras.Input((2048,)), L.Dense(1, kernel_initializer="ones")])
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    (row,) = integer.accumulators(integer.read(quantized))
    assert row.worst == 2048 * 127 * 128
    assert not row.exact_in_float32
    assert row.fits_int32
    assert row.bits == 26


def test_what_has_no_integer_form_is_named(rng):
    quantized = keras_alt.quantize_model(models.float_inside())
    x = sample(quantized, rng, 8)
    keras_alt.calibrate(quantized, x, verbose=False)
    with pytest.raises(integer.NotIntegerError, match="float layers layer_normalization"):
        integer.run(integer.read(quantized), x)
    with pytest.raises(integer.NotIntegerError, match="without any quantizer"):
        integer.read(models.residual())


OPEN = {
    "average over the line": ((None, 4), lambda name: L.GlobalAveragePooling1D(name=name)),
    "average over the image": ((None, None, 4), lambda name: L.GlobalAveragePooling2D(name=name)),
    "maximum pool": ((None, None, 4), lambda name: L.MaxPooling2D(padding="same", name=name)),
    "average pool": (
        (None, None, 4),
        lambda name: L.AveragePooling2D(3, 1, padding="same", name=name),
    ),
    "transposed": ((None, None, 4), lambda name: L.Conv2DTranspose(4, 3, name=name)),
    "bilinear": (
        (None, None, 4),
        lambda name: L.UpSampling2D(interpolation="bilinear", name=name),
    ),
    "reshape": ((None, 4), lambda name: L.Reshape((-1, 2), name=name)),
    "convolution": (
        (None, None, 4),
        lambda name: L.Conv2D(4, 3, strides=2, padding="same", name=name),
    ),
}


@pytest.mark.parametrize("case", OPEN)
def test_layers_that_need_a_known_size_say_so(case):
    shape, layer = OPEN[case]
    model = keras.Sequential([keras.Input(shape), L.Dense(4), layer("odd"), L.Dense(2)])
    quantized = keras_alt.quantize_model(model)
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    with pytest.raises(integer.NotIntegerError, match="'odd' needs inputs of known size"):
        integer.read(quantized)


def test_an_uncalibrated_model_is_an_error():
    with pytest.raises(ValueError, match="keras_alt.calibrate"):
        integer.read(keras_alt.quantize_model(models.residual()))


def test_a_float_input_or_weight_is_an_error():
    inputs = keras.Input((4,))
    bare = keras.Model(inputs, keras_alt.layers.QuantDense(2)(inputs))
    with pytest.raises(integer.NotIntegerError, match="keras_alt.Quantizer"):
        integer.read(bare)
    x = Quantizer(FixedPoint(8), initial_threshold=1.0)(inputs)
    float_bias = keras.Model(inputs, keras_alt.layers.QuantDense(2, bias_bits=None)(x))
    with pytest.raises(integer.NotIntegerError, match="float bias"):
        integer.read(float_bias)


def test_an_average_needs_a_quantizer():
    inputs = keras.Input((4, 4, 2))
    x = Quantizer(FixedPoint(8), initial_threshold=1.0)(inputs)
    x = L.GlobalAveragePooling2D()(x)
    with pytest.raises(integer.NotIntegerError, match="expects a quantizer behind it"):
        integer.read(keras.Model(inputs, x))
    with pytest.raises(integer.NotIntegerError, match="expects a quantizer behind it"):
        integer.read(keras.Model(inputs, keras_alt.layers.QuantDense(2)(x)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 7, 8, 3)), "expects shape"),
        (np.full((2, 8, 8, 3), np.nan), "must be finite"),
        ([np.zeros((2, 8, 8, 3))] * 2, "has 1 inputs"),
    ],
)
def test_wrong_inputs_are_errors(x, message, rng):
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    quantized = keras_alt.quantize_model(network)
    keras_alt.calibrate(quantized, sample(quantized, rng, 8), verbose=False)
    with pytest.raises(ValueError, match=message):
        integer.run(integer.read(quantized), x)


def test_a_run_in_batches_is_one_run(rng):
    quantized = keras_alt.quantize_model(models.residual())
    x = sample(quantized, rng, 7)
    keras_alt.calibrate(quantized, x, verbose=False)
    reading = integer.read(quantized)
    (whole,) = integer.run(reading, x, batch_size=7, verbose=False)
    (parts,) = integer.run(reading, x, batch_size=3, verbose=False)
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.backend
def test_a_merge_of_different_ranks_is_that_of_keras(rng):
    inputs = keras.Input((8, 8, 3))
    image = L.Conv2D(4, 1)(inputs)
    vector = L.Dense(4)(L.GlobalMaxPooling2D()(inputs))
    model = keras.Model(inputs, L.Flatten()(L.Add()([image, vector])))
    quantized = keras_alt.quantize_model(model)
    x = sample(model, rng, 8)  # as many samples as columns: a wrong axis would pass in silence
    keras_alt.calibrate(quantized, x, verbose=False)

    assert_same_integers(quantized, x)


def test_numbers_beyond_64_bits_are_an_error():
    x = inputs = keras.Input((4,))
    for threshold in (2.0**60, 2.0**-20):
        x = Quantizer(FixedPoint(16), initial_threshold=threshold)(x)
    with pytest.raises(integer.NotIntegerError, match="64 bits at most.*requantize"):
        integer.read(keras.Model(inputs, x))
