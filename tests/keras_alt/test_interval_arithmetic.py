"""The intervals of a program hold for all inputs, and are no wider than they need be."""

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers as L
from operation_cases import BATCH, CASES, codes_of
from random_networks import FEW_NETWORKS, quantized_networks
from test_integer_operations import computed

import keras_alt
from keras_alt import QuantizeConfig, integer
from keras_alt.integer import OPERATIONS, Program, Step
from keras_alt.integer.interval_arithmetic import result
from keras_alt.quantizer import quantizers
from keras_alt.targets import TARGETS


def assert_within(codes, interval):
    assert (codes >= interval.low).all()
    assert (codes <= interval.high).all()


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_every_operation_stays_in_the_interval_of_its_result(name, data, seed):
    operands, attributes = data.draw(CASES[name])
    rng = np.random.default_rng(seed)
    codes = [codes_of(tensor, rng) for tensor in operands]
    output = OPERATIONS[name].result(*operands, **attributes)
    program = Program("test", tensors=[*operands, output])
    step = Step(name, "layer", tuple(range(len(operands))), len(operands), attributes)
    # Each channel has bounds of its own.
    ends = [integer.Interval(c.min(0), c.max(0)) for c in codes]

    interval = result(program, step, ends)

    values = computed(name, codes, attributes)
    assert_within(values, interval)
    assert np.broadcast_shapes(interval.low.shape, values.shape) == (BATCH, *output.shape)
    low, high = interval.ends()
    assert output.low <= low
    assert high <= output.high


def extremes(reading, rng):
    """Return input codes: random ones, and the bounds in random places."""
    for position in reading.program.inputs:
        tensor = reading.program.tensors[position]
        shape = (4, *tensor.shape)
        random = rng.integers(tensor.low, tensor.high, endpoint=True, size=shape)
        ends = rng.choice([tensor.low, tensor.high], size=shape)
        constant = np.stack([np.full(tensor.shape, end) for end in (tensor.low, tensor.high)])
        yield np.concatenate([random, ends, constant])


@FEW_NETWORKS
@given(quantized_networks(st.sampled_from(sorted(TARGETS))))
def test_random_networks_stay_in_their_intervals(drawn):
    reading = integer.read(drawn[0])
    assume(not reading.islands)
    program = reading.program
    codes = list(extremes(reading, np.random.default_rng(0)))

    bounds = integer.intervals(program)

    for inputs in (codes, integer.quantize_inputs(reading, drawn[1])):
        for position, values in integer.trace(program, inputs).items():
            assert_within(values, bounds[position])
    for position, tensor in enumerate(program.tensors):
        if position in bounds:
            low, high = bounds[position].ends()
            assert tensor.low <= low
            assert high <= tensor.high


@pytest.mark.parametrize("inputs", ["int8", "uint8"])
def test_signs_of_the_weights_reach_the_bounds_of_a_dense_layer(inputs, rng):
    model = keras.Sequential([keras.Input((16,)), L.Dense(8, name="dense")])
    config = QuantizeConfig(target="litert", inputs=inputs)
    quantized = keras_alt.quantize_model(model, config)
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    quantized.get_layer("dense").bias.assign(rng.normal(size=8))
    program = integer.read(quantized).program
    (product, biased) = [s for s in program.steps if s.operation != "requantize"][:2]
    kernel = product.attributes["kernel"].codes
    x = program.tensors[program.inputs[0]]

    highest = np.where(kernel > 0, x.high, x.low).T
    lowest = np.where(kernel > 0, x.low, x.high).T

    bounds = integer.intervals(program)[biased.output]
    for codes, bound in ((highest, bounds.high), (lowest, bounds.low)):
        sums = integer.trace(program, [codes.astype(np.int64)])[biased.output]
        np.testing.assert_array_equal(np.diag(sums), bound)


def test_the_interval_of_a_relu_starts_at_zero_and_narrows_the_sums_behind():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(3, activation="relu", kernel_initializer="ones"),
            L.Dense(2, kernel_initializer="ones"),
        ]
    )
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    program = integer.read(quantized).program
    sums = [s.output for s in program.steps if s.operation == "matrix_product"]

    low, high = integer.intervals(program)[sums[1]].ends()

    assert (low, high) == (0, 3 * 255 * 127)
    assert program.tensors[sums[1]].low == -high


def test_open_sizes_need_no_size():
    layers = [L.Conv2D(3, 3, padding="same"), L.MaxPooling2D(4), L.ZeroPadding2D(2), L.Conv2D(2, 1)]
    model = keras.Sequential([keras.Input((None, None, 2)), *layers])
    quantized = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(1.0)
    reading = integer.read(quantized)
    bounds = integer.intervals(reading.program)
    for shape in ((1, 8, 9, 2), (2, 16, 16, 2)):
        values = integer.trace(reading.program, [np.full(shape, 127)])
        for position, codes in values.items():
            assert_within(codes, bounds[position])
