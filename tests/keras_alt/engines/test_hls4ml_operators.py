"""hls4ml has tables, products, pools and moves as the integer program has them."""

import re
import shutil

import keras
import layer_zoo
import numpy as np
import pytest
import small_networks
from hypothesis import given
from hypothesis import strategies as st
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.engines.hls4ml.moves import _repeats_exactly
from keras_alt.engines.hls4ml.nodes import repeats
from keras_alt.engines.hls4ml.types import computed
from keras_alt.export import ExportError, to_hls4ml
from keras_alt.integer import Program, Step, Tensor, arithmetic, read

pytest.importorskip("hls4ml", reason="hls4ml is not installed: keras-alt[hls]")
pytest.importorskip("qonnx", reason="qonnx is not installed: keras-alt[hls]")
pytestmark = pytest.mark.tensorflow_only
compiled = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

TABLES = ("hard_silu", "silu_of_relu", "multiply_by_channels", "absolute", "clip", "rescaling")
PRODUCTS = ("multiply", "multiply_by_pixels", "matmul", "prelu", "average_of_three")
POOLS = ("max_pool", "average_pool_same", "mean_of_all", "max_of_channels", "global_max_3d")
MOVES = ("bilinear", "slice_of_indices", "split", "concatenate", "upsampling_3d", "ravel_of_one")
IMAGES = TABLES + PRODUCTS + POOLS + MOVES
LINES = (
    *("prelu_1d", "dot", "einsum_operator_of_lines", "upsampling_1d", "cropping_1d"),
    *("zero_padding_1d", "global_average_1d", "mean_of_seven", "average_pool_1d", "max_pool_1d"),
)


def quantized(model, rng, target="hls"):
    for weight in model.weights:
        if weight.path.endswith(("bias", "alpha")):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    model = keras_alt.quantize_model(model, QuantizeConfig(target=target))
    keras_alt.calibrate(model, rng.normal(size=(32, *model.input_shape[1:])), verbose=False)
    return model


def assert_computes(model, rng, samples=16):
    x = rng.normal(size=(samples, *model.input_shape[1:]))
    result = keras_alt.verify(model, x, "hls4ml", verbose=False)
    assert not result.mismatches
    assert not [row.name for row in result.layers if row.mismatches]


@pytest.mark.full
@compiled
def test_the_c_simulation_computes_a_mobilenet_v3(rng):
    assert_computes(quantized(small_networks.mobilenet_v3(), rng), rng)


@pytest.mark.full
@compiled
@pytest.mark.parametrize(
    ("layers", "size", "target"),
    [(IMAGES, (6, 6, 4), "hls"), (LINES, (8, 4), "hls"), (LINES[-4:-1], (8, 4), "paper")],
    ids=["images", "lines", "floor"],
)
def test_the_c_simulation_computes(layers, size, target, rng):
    assert_computes(quantized(layer_zoo.network(*layers, size=size), rng, target), rng)


@pytest.mark.parametrize(
    ("layers", "size"),
    [pytest.param(IMAGES, (6, 6, 4), marks=pytest.mark.full), (LINES, (8, 4))],
)
def test_every_type_and_shape_is_the_trained_one(layers, size, rng, tmp_path):
    model = quantized(layer_zoo.network(*layers, size=size), rng)

    to_hls4ml(model, tmp_path / "project")  # it checks them

    assert not keras_alt.report(model).refusals


def test_a_table_is_indexed_by_the_bits_of_its_input(rng, tmp_path):
    model = quantized(layer_zoo.network("hard_silu", "silu_of_relu"), rng)
    steps = [s for s in read(model).program.steps if s.operation == "lookup"]
    to_hls4ml(model, tmp_path / "project")

    paths = (tmp_path / "project" / "firmware" / "weights").glob("table*.txt")
    texts = [p.read_text() for p in sorted(paths, key=lambda p: int(re.sub(r"\D", "", p.stem)))]
    for step, text in zip(steps, texts, strict=True):
        table, first = step.attributes["table"], step.attributes["first"]
        entries = np.ldexp(np.fromstring(text, sep=","), -table.exponent)
        assert len(entries) == len(table.codes) == 256
        for code, entry in enumerate(table.codes, start=first):
            assert entries[code % 256] == entry
    assert {step.attributes["first"] for step in steps} == {-128, 0}


@given(
    st.lists(st.integers(-300, 300), min_size=1, max_size=8),
    st.integers(1, 50),
    st.integers(-4, 4),
    st.sampled_from(["half_even", "floor"]),
)
def test_an_average_has_the_digits_that_its_rounding_needs(sums, cells, shift, rounding):
    rules = {"shift": shift, "rounding": rounding, "low": -(2**15), "high": 2**15, "offset": 0}
    steps = [
        Step("reduce_sum", "mean", (0,), 1, {"axes": (1,), "keepdims": False}),
        Step("requantize", "mean", (1,), 2, {**rules, "divisor": cells}),
    ]
    before = Tensor("x", (cells,), 0, -6, 6, None)
    tensors = [before, Tensor("sum", (), 0, -300, 300, None, cells), before]
    program = Program("program", [0], [2], tensors, steps)
    bits, whole = map(int, re.findall(r"-?\d+", computed(program, 1))[:2])

    codes = np.array(sums)
    # hls4ml divides whole numbers of the type's steps, toward zero.
    quotients = np.sign(codes) * ((np.abs(codes) << bits - whole) // cells)
    rules["shift"] += bits - whole
    np.testing.assert_array_equal(
        arithmetic.requantize(quotients, **rules, divisor=1),
        arithmetic.requantize(codes, **rules | {"shift": shift}, divisor=cells),
    )


@pytest.mark.parametrize(
    ("first", "second"), [((3, 4, 5), (1, 1, 5)), ((1, 4, 5), (3, 4, 5)), ((2, 1), (2, 1))]
)
def test_merges_read_a_tensor_again_and_again(first, second):
    assert repeats(first, second)
    a, b = (np.arange(np.prod(shape)).reshape(shape) for shape in (first, second))
    n = max(a.size, b.size)
    np.testing.assert_array_equal(np.resize(a, n) * np.resize(b, n), (a * b).ravel())


@pytest.mark.parametrize(
    ("first", "second"), [((3, 4, 5), (3, 4, 1)), ((3, 1, 5), (1, 4, 5)), ((2, 1, 3), (2, 2, 3))]
)
def test_merges_do_not_repeat_what_lies_within(first, second):
    assert not repeats(first, second)


def test_repeats_are_exact_or_refused():
    assert all(_repeats_exactly(n * 3, 3) for n in range(1, 100))
    assert not _repeats_exactly(3 * 2**16, 3)


@pytest.mark.parametrize(
    ("layer", "lacks"),
    [
        (lambda x: ops.flip(x, axis=1), "a choice of cells by their indices"),
        (L.Conv2DTranspose(2, 2), "a transposed convolution"),
        (lambda x: ops.sum(x, axis=1), "a sum over axes"),
        (lambda x: ops.min(x, axis=1), "a minimum over axes"),
        (lambda x: ops.stack([x, x], axis=1), "a concatenation of tensors of 4 axes"),
        (lambda x: ops.max(x, axis=(1, 3)), r"a reduction over the axes \(1, 3\)"),
        (lambda x: L.Add()([x, ops.max(x, axis=-1, keepdims=True)]), "operands of the shapes"),
        (lambda x: ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1))), "of more than space"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_hls4ml_lacks_is_told_in_the_report(layer, lacks, rng, tmp_path):
    inputs = keras.Input((4, 4, 2))
    model = quantized(keras.Model(inputs, layer(L.Conv2D(2, 1)(inputs))), rng)
    message = f"layer '.*': export with `to_qonnx` or `to_integers` instead. Received: .*{lacks}"

    with pytest.raises(ExportError, match=message):
        to_hls4ml(model, tmp_path / "project")

    report = keras_alt.report(model)
    (reason,) = report.refusals["to_hls4ml"]
    assert re.search(message, reason)
    assert f"to_hls4ml refuses the model: {reason}" in str(report)
