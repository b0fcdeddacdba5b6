"""Random operands and attributes for every operation of integer programs."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from keras_alt import FixedPoint
from keras_alt.integer import Constant, Tensor
from keras_alt.integer.arithmetic import ROUNDINGS
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
    rounding = draw(st.sampled_from(sorted([*ROUNDINGS, "double"])))
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
