"""What an operation tells of its result holds for all codes within the bounds of its operands."""

import ast
import math
import pathlib
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_alt
from keras_alt import FixedPoint
from keras_alt.integer import (
    OPERATIONS,
    Constant,
    NotIntegerError,
    Program,
    Tensor,
    operation,
    trace,
)
from keras_alt.integer.arithmetic import ROUNDINGS
from keras_alt.integer.variables import (
    Grid,
    Variable,
    add,
    concatenate,
    maximum,
    minimum,
    subtract,
)
from keras_alt.padding import paddings

BATCH = 2
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
IMAGES = st.tuples(st.integers(3, 6), st.integers(3, 6), st.just(4))
FORMAT = FixedPoint(8)


@st.composite
def tensors(draw, shapes=SHAPES):
    """Draw what codes mean; bounds need not hold zero."""
    low, high = sorted(draw(st.tuples(*[st.integers(-200, 200)] * 2)))
    format = draw(st.sampled_from([FORMAT, None]))
    return Tensor("x", draw(shapes), draw(st.integers(-6, 6)), low, high, format)


@st.composite
def constants(draw, shape):
    count = math.prod(shape)
    codes = draw(st.lists(st.integers(-8, 7), min_size=count, max_size=count))
    return Constant(np.array(codes, np.int64).reshape(shape), draw(st.integers(-6, 6)), FORMAT)


def pairs(count, most=2):
    return st.tuples(*[st.tuples(*[st.integers(0, most)] * 2)] * count)


def twos(least, most):
    return st.tuples(*[st.integers(least, most)] * 2)


@st.composite
def convolutions(draw):
    x = draw(tensors(IMAGES))
    groups = draw(st.sampled_from([1, 2, 4]))
    kernel = draw(constants((*draw(twos(1, 2)), 4 // groups, 4)))
    attributes = {"strides": draw(twos(1, 2)), "dilation": draw(twos(1, 2))}
    return [x], {**attributes, "kernel": kernel, "padding": draw(pairs(2)), "groups": groups}


@st.composite
def transposed_convolutions(draw):
    x = draw(tensors(IMAGES))
    attributes = {"strides": draw(twos(1, 2)), "dilation": draw(twos(1, 2))}
    kernel = draw(constants((*draw(twos(1, 2)), 3, 4)))
    return [x], {**attributes, "kernel": kernel, "crop": draw(twos(0, 1)), "size": draw(twos(3, 9))}


@st.composite
def products(draw):
    x = draw(tensors())
    return [x], {"kernel": draw(constants((x.shape[-1], 3)))}


@st.composite
def biases(draw):
    x = draw(tensors())
    constant = draw(constants((x.shape[-1],)))
    return [x], {"constant": constant, "shifts": draw(twos(0, 4))}


@st.composite
def merges(draw, most=3, ranks=SHAPES, **attributes):
    shape = draw(ranks)
    operands = draw(st.lists(tensors(st.just(shape)), min_size=2, max_size=most))
    if not attributes:  # axes of size 1 are repeated
        ones = draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
        shape = tuple(1 if one else n for one, n in zip(ones, shape, strict=True))
        operands[0] = draw(tensors(st.just(shape)))
    finest = min(t.exponent for t in operands)
    return operands, {"shifts": tuple(t.exponent - finest for t in operands), **attributes}


@st.composite
def requantizations(draw):
    low, high = sorted(draw(twos(-9, 9)))
    rounding = draw(st.sampled_from(sorted(ROUNDINGS)))
    bounds = {"low": low, "high": high, "offset": draw(st.sampled_from([0, -128]))}
    divisor = draw(st.integers(1, 9))
    return [draw(tensors())], {
        **bounds,
        "shift": draw(st.integers(-6, 6)),
        "rounding": rounding,
        "divisor": divisor,
    }


@st.composite
def windows(draw):
    x = draw(tensors(IMAGES))
    window, strides = draw(twos(1, 3)), draw(twos(1, 2))
    padding = paddings(
        draw(st.sampled_from(["same", "valid"])), x.shape[:-1], window, strides, (1, 1)
    )
    return [x], {"window": window, "strides": strides, "padding": padding}


@st.composite
def reductions(draw):
    x = draw(tensors())
    axes = draw(st.sets(st.integers(1, len(x.shape)), min_size=1))
    return [x], {"axes": tuple(sorted(axes)), "keepdims": draw(st.booleans())}


@st.composite
def reshapes(draw):
    x = draw(tensors())
    shapes = [(math.prod(x.shape),), (1, *x.shape), x.shape[::-1]]
    return [x], {"shape": draw(st.sampled_from(shapes))}


@st.composite
def transpositions(draw):
    x = draw(tensors())
    return [x], {"axes": (0, *draw(st.permutations(range(1, len(x.shape) + 1))))}


@st.composite
def repetitions(draw):
    x = draw(tensors())
    return [x], {"repeats": draw(st.integers(1, 3)), "axis": draw(st.integers(1, len(x.shape)))}


@st.composite
def matrices(draw):
    stacked = draw(st.lists(st.integers(1, 3), max_size=2))
    rows, terms, columns = (draw(st.integers(1, 4)) for _ in range(3))
    shapes = (*stacked, rows, terms), (*stacked, terms, columns)
    return [replace(draw(tensors()), shape=shape) for shape in shapes], {}


@st.composite
def lookups(draw):
    x = draw(tensors())
    first = x.low - draw(st.integers(0, 3))
    count = x.high - first + 1 + draw(st.integers(0, 3))
    codes = np.random.default_rng(draw(st.integers(0, 99))).integers(-128, 128, count)
    return [x], {"table": Constant(codes, draw(st.integers(-6, 6)), FORMAT), "first": first}


@st.composite
def rows(draw):
    x, axis = draw(tensors()), draw(st.integers(1, 3))
    x, steps = replace(x, shape=(*x.shape, *[1] * 3)[:3]), np.arange(x.high - x.low + 1)
    bits, guard = 15, draw(st.integers(1, 13))
    tables = {
        name: Constant(np.rint(2.0**b * np.exp(-steps / 9)).astype(np.int64), -b, FORMAT)
        for name, b in (("table", bits), ("fine", bits + guard))
    }
    return [x], {**tables, "axis": axis, "bits": bits, "guard": guard}


@st.composite
def selections(draw):
    x = draw(tensors())
    axis = draw(st.integers(1, len(x.shape)))
    cells = st.integers(0, x.shape[axis - 1] - 1)
    return [x], {"indices": draw(st.lists(cells, min_size=1, max_size=6)), "axis": axis}


def of_one(**attributes):
    """Draw one operand with attributes."""
    return st.tuples(tensors(IMAGES).map(lambda x: [x]), st.fixed_dictionaries(attributes))


BOUNDS = st.one_of(st.none(), st.integers(-50, 0)), st.one_of(st.none(), st.integers(0, 50))
CASES = {
    "requantize": requantizations(),
    "convolve": convolutions(),
    "convolve_transposed": transposed_convolutions(),
    "matrix_product": products(),
    "multiply": of_one(constant=constants((1,))),
    "product": merges(most=2).map(lambda drawn: (drawn[0], {})),
    "batch_matmul": matrices(),
    "softmax": rows(),
    "lookup": lookups(),
    "constant_tensor": of_one(constant=constants((3, 2))),
    "add_constant": biases(),
    "add": merges(),
    "subtract": merges(most=2),
    "maximum": merges(),
    "minimum": merges(),
    "concatenate": st.sampled_from([1, 2, -1]).flatmap(lambda a: merges(ranks=IMAGES, axis=a)),
    "clip": of_one(low=BOUNDS[0], high=BOUNDS[1]),
    "window_sum": windows(),
    "window_maximum": windows(),
    "reduce_sum": reductions(),
    "reduce_maximum": reductions(),
    "reduce_minimum": reductions(),
    "total": reductions(),
    "pad": of_one(padding=pairs(3)),
    "crop": of_one(cropping=pairs(3, most=1)),
    "reshape": reshapes(),
    "transpose": transpositions(),
    "repeat": repetitions(),
    "take": selections(),
}


def codes_of(tensor, rng):
    """Return codes within the bounds, which they reach."""
    choices = [rng.integers(tensor.low, tensor.high, endpoint=True, size=(BATCH, *tensor.shape))]
    choices += [np.full((BATCH, *tensor.shape), bound) for bound in (tensor.low, tensor.high)]
    return choices[rng.choice(3, p=[0.5, 0.25, 0.25])]


def computed(name, operands, attributes):
    codes = {k: v.codes if isinstance(v, Constant) else v for k, v in attributes.items()}
    return OPERATIONS[name].compute(*operands, **codes)


def test_every_operation_has_a_case():
    assert set(CASES) == set(OPERATIONS)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_the_result_has_the_shape_and_the_bounds_that_the_rule_tells(name, data, seed):
    operands, attributes = data.draw(CASES[name])
    rng = np.random.default_rng(seed)

    result = OPERATIONS[name].result(*operands, **attributes)
    codes = computed(name, [codes_of(t, rng) for t in operands], attributes)

    assert codes.shape == (BATCH, *result.shape)
    assert result.low <= codes.min()
    assert codes.max() <= result.high


def variables(*operands):
    program = Program("test")
    program.inputs = [program.add_tensor(tensor) for tensor in operands]
    return [Variable(program, position, "layer") for position in program.inputs]


def values(variable, codes):
    """Return what the codes of a variable are worth."""
    tensor = variable.tensor
    result = trace(variable.program, codes)[variable.position]
    return np.ldexp(result.astype(float), tensor.exponent) / tensor.divisor


OPERATORS = {
    "+": (lambda x, y: x + y, np.add),
    "-": (lambda x, y: x - y, np.subtract),
    "*": (lambda x, y: x * y, np.multiply),
    "add": (add, np.add),
    "subtract": (subtract, np.subtract),
    "maximum": (maximum, np.maximum),
    "minimum": (minimum, np.minimum),
    "concatenate": (
        lambda x, y: concatenate(x, y, axis=-1),
        lambda x, y: np.concatenate([x, y], axis=-1),
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=40, deadline=None)
@given(merges(most=2, ranks=IMAGES, axis=-1), st.integers(0, 2**32 - 1))
def test_an_operator_gives_the_values_that_it_stands_for(name, drawn, seed):
    ours, expected = OPERATORS[name]
    operands = drawn[0]
    rng = np.random.default_rng(seed)
    codes = [codes_of(tensor, rng) for tensor in operands]
    x, y = variables(*operands)

    result = values(ours(x, y), codes)

    np.testing.assert_array_equal(result, expected(values(x, codes), values(y, codes)))


@settings(max_examples=40, deadline=None)
@given(products(), st.integers(0, 2**32 - 1), st.data())
def test_constants_are_worth_what_they_stand_for(drawn, seed, data):
    (tensor,), kernel = drawn[0], drawn[1]["kernel"]
    factor, bias = data.draw(constants((1,))), data.draw(constants((3,)))
    codes = [codes_of(tensor, np.random.default_rng(seed))]
    (x,) = variables(tensor)
    matrix, scale, shift = (np.ldexp(c.codes * 1.0, c.exponent) for c in (kernel, factor, bias))

    result = values((x * factor) @ kernel + bias, codes)

    np.testing.assert_array_equal(result, values(x, codes) * scale @ matrix + shift)


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_an_average_is_divided_by_the_cells_of_each_window(channels_first, padding, rng):
    tensor = Tensor("x", (5, 4, 2), 0, -100, 100)
    codes = [codes_of(tensor, rng)]
    (x,) = variables(tensor)
    around = paddings(padding, (5, 4), (3, 3), (2, 2), (1, 1))
    ones = np.ones_like(codes[0])

    mean = x.window_sum((3, 3), (2, 2), around)
    total, cells = (trace(x.program, [c])[mean.position] for c in (codes[0], ones))
    expected = np.rint(total / cells)
    if channels_first:
        mean, expected = mean.transpose((0, 3, 1, 2)), expected.transpose((0, 3, 1, 2))
    result = mean.requantize(Grid(FORMAT, 0, -128, 127, "half_even"), "mean")

    np.testing.assert_array_equal(trace(x.program, codes)[result.position], expected)
    assert result.tensor.divisor == 1
    assert result.tensor.format == FORMAT


@pytest.mark.parametrize("shape", [(None, 4), (3, 4)])
def test_a_size_that_is_left_open_stays_open(shape):
    (x,) = variables(Tensor("x", shape, 0, -8, 7))
    size = shape[0]
    assert (x + x).shape == shape
    assert concatenate(x, x, axis=1).shape == (size and 2 * size, 4)
    assert concatenate(x, x, axis=-1).shape == (size, 8)
    assert x.pad(((1, 1), (0, 0))).shape == (size and size + 2, 4)
    assert x.crop(((1, 1), (0, 0))).shape == (size and size - 2, 4)
    assert x.reduce_maximum((1,), keepdims=False).shape == (4,)


def test_numbers_beyond_64_bits_name_the_layer():
    x, y = variables(Tensor("x", (1,), 60, -8, 7), Tensor("y", (1,), 0, -8, 7))
    with pytest.raises(NotIntegerError, match="'layer' must compute with 64 bits.*add with num"):
        x + y
    assert not x.program.steps


def test_an_average_must_be_divided_before_it_is_used():
    (x,) = variables(Tensor("x", (4, 4, 2), 0, -8, 7))
    mean = x.window_sum((2, 2), (2, 2), ((0, 0), (0, 0)))
    with pytest.raises(NotIntegerError, match="The average 'layer' expects a quantizer behind it"):
        mean + mean


def test_an_operation_cannot_take_the_place_of_another():
    def add(first, second):
        return first + second

    with pytest.raises(ValueError, match="Received: compute.__name__='add'"):
        operation(add)


PURE = ("arithmetic", "engine", "operations", "program", "variables")
PURE_NAMES = tuple(f"keras_alt.integer.{name}" for name in PURE)


@pytest.mark.parametrize("module", PURE)
def test_a_program_knows_nothing_of_keras(module):
    path = pathlib.Path(keras_alt.__file__).parent / "integer" / f"{module}.py"
    imported = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    foreign -= {"numpy"}
    assert all(name.startswith(PURE_NAMES) for name in foreign), foreign
