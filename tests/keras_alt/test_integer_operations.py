"""What an operation tells of its result holds for all codes within the bounds of its operands."""

import ast
import math
import pathlib
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_cases import BATCH, CASES, FORMAT, IMAGES, codes_of, constants, merges, products

import keras_alt
from keras_alt.integer import (
    OPERATIONS,
    Constant,
    NotIntegerError,
    Program,
    Tensor,
    operation,
    trace,
)
from keras_alt.integer.arithmetic import ROUNDINGS, requantize
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


def rounded(value, rule, offset):
    below = math.floor(value)
    excess = value - below - Fraction(1, 2)
    return below + int(ROUNDINGS[rule](excess, below, offset)) if rule != "floor" else below


@given(
    st.sampled_from(sorted(ROUNDINGS)),
    st.one_of(st.integers(0, 70), st.integers(71, 400)),
    st.sampled_from([1, 1, 3, 25, 2**20]),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8),
    st.sampled_from([0, -128]),
)
def test_codes_round_rightly_however_far_they_shift(rule, shift, divisor, codes, offset):
    half = divisor << shift >> 1
    ties = [sign * half + d for sign in (-1, 1) for d in (-1, 0, 1)]
    codes = [c for c in (*codes, *ties, -(2**63), -1, 0, 1) if -(2**63) <= c < 2**63]
    values = [Fraction(c, divisor << shift) for c in codes]

    result = requantize(np.array(codes), shift, rule, -(2**63), 2**63 - 1, offset, divisor)

    assert result.tolist() == [rounded(value, rule, offset) for value in values]


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
