"""What engines may round differently, and models whose file gives equal codes on all of them."""

import importlib.util
import tempfile

import keras
import numpy as np
import pytest
from exported import quantized
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as L

import keras_alt
from keras_alt.engines import ENGINES
from keras_alt.engines.litert.single_rounding import FACTOR, SHIFTS, factors
from keras_alt.engines.litert.writer import Writer
from keras_alt.integer import OPERATIONS, quantize_inputs, read, trace
from keras_alt.robustness.averages import shared_evenly
from keras_alt.robustness.settling import REMAINDERS

FILES = ("litert", "litert-reference", "tflm", "onnxruntime")  # engines that run files
MODULES = {"tflm": "tflite_micro", "onnxruntime": "onnxruntime"}
KINDS = ("conv", "depthwise", "residual", "strided", "widened", "pooled", "relu6")


def block(x, kind):
    channels = x.shape[-1]
    if kind == "conv":
        return L.Conv2D(channels, 3, padding="same", activation="relu")(x)
    if kind == "relu6":
        return L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(channels, 1, use_bias=False)(x)))
    if kind == "depthwise":
        return L.DepthwiseConv2D(3, padding="same")(x)
    if kind == "residual":
        return L.Add()([x, L.Conv2D(channels, 3, padding="same")(x)])
    if kind == "strided":
        return L.Conv2D(channels + 1, 2, strides=2, padding="same", activation="relu")(x)
    if kind == "widened":
        return L.Concatenate()([x, L.ReLU()(L.Add()([x, x]))])
    return L.MaxPooling2D(1)(x) if min(x.shape[1:3]) < 2 else L.AveragePooling2D(2)(x)


def network(kinds, mean=True):
    x = inputs = keras.Input((6, 6, 3))
    for kind in kinds:
        x = block(x, kind)
    x = L.GlobalAveragePooling2D()(x) if mean else L.Flatten()(x)
    return keras.Model(inputs, L.Dense(4)(x))


def codes_of(engine, model, x):
    """Return the codes that an engine gives for the file of a model, by the name of the tensor.

    The engine need not follow the rules of the model's target.
    """
    reading = read(model)
    with tempfile.TemporaryDirectory() as folder:
        session = ENGINES[engine](reading, folder)
        shown = session.compute([x], quantize_inputs(reading, x))
    return {reading.program.tensors[p].name: np.asarray(codes) for p, codes in shown.items()}


def expected(model, x):
    program = read(model).program
    codes = trace(program, quantize_inputs(read(model), x))
    return {program.tensors[p].name: values for p, values in codes.items()}


def assert_equal_everywhere(settled, x):
    """One `.tflite`, and the ONNX file, give the codes of the integer engine wherever they run."""
    wanted = expected(settled, x)
    for engine in FILES:
        if importlib.util.find_spec(MODULES.get(engine, "ai_edge_litert")) is None:
            continue
        model = keras_alt.retarget(settled, "onnx") if engine == "onnxruntime" else settled
        for name, codes in codes_of(engine, model, x).items():
            np.testing.assert_array_equal(codes, wanted[name], f"{engine}: {name}")


@pytest.mark.full
@pytest.mark.tensorflow_only
@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from((8, 7, 6, 4)),
    st.sampled_from(("tensor", "channel")),
    st.integers(0, 2**16),
)
def test_a_settled_network_gives_equal_codes_on_every_engine(kinds, mean, bits, scales, seed):
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    widths = {"weights": bits, "weight_scales": scales}
    model, x = quantized(network(kinds, mean), rng, "litert", **widths)
    settled = keras_alt.settle(model, x)
    result = keras_alt.robust(settled, x)
    assert result, str(result)
    assert not sum(row.differing for row in result.rows)
    assert keras_alt.verify(settled, x, verbose=False)
    assert_equal_everywhere(settled, x)


def test_with_six_bits_the_rules_of_all_targets_give_equal_codes(rng):
    """Multiples of 4 need no lowered scale: double rounding agrees as the targets have it."""
    kinds = ["conv", "residual", "strided", "depthwise"]
    widths = {"weights": 6, "first_and_last_weights": 6}
    model, x = quantized(network(kinds, mean=False), rng, "litert", **widths)
    settled = keras_alt.settle(model)
    wanted = expected(settled, x)
    for target in ("tflm", "onnx"):
        codes = expected(keras_alt.retarget(settled, target), x)
        for name in wanted.keys() & codes.keys():
            np.testing.assert_array_equal(codes[name], wanted[name], f"{target}: {name}")


@pytest.mark.parametrize("multiple", REMAINDERS)
def test_remainders_leave_no_sum_that_rules_round_differently(multiple):
    """With multiples of 4 even two roundings agree with one; with even products, single ones do."""
    rules = ["half_even", "half_up", "half_away"] + ["double"] * (multiple == 4)
    for shift in range(1, 9):
        remainders = REMAINDERS[multiple][min(shift, 3)]
        sums = np.arange(-(2 ** (shift + 3)), 2 ** (shift + 3))
        sums = sums[np.isin(sums % 4, remainders)]
        if shift in SHIFTS:
            assert np.all(sums % 2 == 1)
        first, *others = (
            OPERATIONS["requantize"].compute(sums, shift, rule, -(2**9), 2**9) for rule in rules
        )
        assert all(np.array_equal(first, other) for other in others)


def test_an_odd_bias_alone_does_not_settle_products_of_any_parity():
    sums = np.arange(-(2**10), 2**10)
    odd = np.array([sums % 2 == 1])
    even, twice = (
        OPERATIONS["requantize"].compute(sums, 4, rule, -(2**9), 2**9)
        for rule in ("half_even", "double")
    )
    assert np.any((even != twice) & odd) and np.any((even != twice) & ~odd)


def test_channels_with_scales_of_their_own_are_lowered_one_by_one():
    kernel, bias = np.array([[2, -4], [6, 0]]), np.array([3, 2**26])  # float32 has no odd 2**26

    assert factors(kernel, 1, bias, np.array([4, 20])).tolist() == [FACTOR, 1.0]
    assert factors(kernel, 1, bias, 4).tolist() == [1.0, 1.0]
    assert factors(kernel, 1, bias + [0, 1], 4).tolist() == [FACTOR, FACTOR]
    assert factors(kernel + 1, 1, bias, np.array([4, 20])).tolist() == [1.0, 1.0]


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("scales", ["tensor", "channel"])
def test_only_kernels_of_settled_models_have_a_lowered_scale(scales, rng):
    pytest.importorskip("ai_edge_litert", reason="the `litert` extra is not installed")
    model, x = quantized(network(["conv"]), rng, "litert", weight_scales=scales)
    for each, lowered in ((model, False), (keras_alt.settle(model, x), True)):
        writer = Writer(read(each))
        writer.written()
        assert writer.factors
        assert all(np.all((f != 1.0) == lowered) for f in writer.factors.values())


@pytest.mark.parametrize("cells", [(2, 2), (3, 3), (7, 7), (8, 8)])
def test_the_weights_of_an_average_add_up_to_one(cells):
    kernel = shared_evenly(np.full((*cells, 3, 1), 1 / np.prod(cells)), 2.0**-9)
    assert np.allclose(kernel.sum(axis=(0, 1)), 1.0)
    assert np.ptp(kernel) <= 2.0**-9


def test_kernels_of_seven_bits_keep_their_weights(rng):
    model, x = quantized(network(["conv"]), rng, "litert", weights=7, first_and_last_weights=7)
    settled = keras_alt.settle(model, x)
    for layer in [layer for layer in model.layers if hasattr(layer, "constants")]:
        ((quantizer, values),) = layer.constants()
        ((other, kept),) = settled.get_layer(layer.name).constants()
        np.testing.assert_array_equal(quantizer(values), other(kept))
        moved = settled.get_layer(layer.name).bias - layer.bias
        step = 2.0 ** (other.exponent + input_exponent(settled, layer))
        assert np.abs(moved).max() <= 2.5 * step


def input_exponent(model, layer):
    """Return log2 of the step of what a kernel layer reads."""
    program = read(model).program
    step = next(step for step in program.steps if step.layer == layer.name)
    return program.tensors[step.inputs[0]].exponent


def test_the_share_of_ties_is_counted_and_every_difference_has_a_bound(rng):
    model, x = quantized(network(["conv", "residual"]), rng, "litert")
    result = keras_alt.robust(model, x)
    assert not result and result.samples == len(x)
    assert {row.kind for row in result.rows} == {"kernel", "add", "mean", "rescale"}
    assert any(row.ties for row in result.rows) and any(row.differing for row in result.rows)
    assert all(row.possible for row in result.rows if row.differing)
    assert "possible" in str(result) and str(result).endswith("quantizers")


@pytest.mark.parametrize("target", ["paper", "tflm"])
def test_targets_with_other_biases_or_roundings_are_refused(target, rng):
    model, _ = quantized(network([], mean=False), rng, target)
    with pytest.raises(ValueError, match=f"target='{target}'"):
        keras_alt.settle(model)


def test_under_double_rounding_even_weights_do_not_suffice(rng):
    """The file of target "tflm" keeps its scales, so engines can still differ."""
    model, x = quantized(network(["conv"], mean=False), rng, "litert")
    settled = keras_alt.settle(model)
    assert keras_alt.robust(settled, x)
    assert not keras_alt.robust(keras_alt.retarget(settled, "tflm"), x)
