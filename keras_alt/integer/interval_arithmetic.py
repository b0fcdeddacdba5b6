"""Interval arithmetic: what the codes of each tensor can be for any input, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_alt.integer import arithmetic
from keras_alt.integer.operations import OPERATIONS
from keras_alt.integer.program import Program, Shape, Step, Tensor


@dataclass(frozen=True)
class Interval:
    """Bounds of the codes of a tensor.

    Attributes:
        low, high: int64 arrays of the rank of the tensor without the batch. An axis has size 1
            where all its cells have the same bounds, and where its size is open.
    """

    low: np.ndarray
    high: np.ndarray

    def with_zero(self) -> Interval:
        """Return bounds of the codes and of zero, which stands for a term that is left out."""
        return Interval(np.minimum(self.low, 0), np.maximum(self.high, 0))

    def over(self, axes: Sequence[int]) -> Interval:
        """Return bounds that hold for all cells of axes, which keep size 1."""
        kept = tuple(axes)
        return Interval(self.low.min(kept, keepdims=True), self.high.max(kept, keepdims=True))

    def ends(self) -> tuple[int, int]:
        """Return the least and the largest code of all cells."""
        return int(self.low.min()), int(self.high.max())


def intervals(program: Program) -> dict[int, Interval]:
    """Return the interval of each tensor by position.

    Tensors that no step computes, the inputs for instance, have the bounds of their format.
    """
    computed = {step.output for step in program.steps}
    found = {
        position: _given(tensor)
        for position, tensor in enumerate(program.tensors)
        if position not in computed
    }
    for step in program.steps:
        found[step.output] = result(program, step, [found[p] for p in step.inputs])
    return found


def result(program: Program, step: Step, operands: Sequence[Interval]) -> Interval:
    """Return the interval of the result of a step for operands within intervals.

    An operation from another package has the bounds that its own rule tells.
    """
    tensors = [program.tensors[position] for position in step.inputs]
    if step.operation == "batch_matmul":
        first, second = operands
        found = _matrices(first, second, tensors[0].shape[-1])
    elif step.operation in RULES:
        found = RULES[step.operation](*operands, **step.attributes)
    elif is_own(step):
        found = _monotone(step, tensors, operands)
    else:
        ends = [x.ends() for x in operands]
        bounded = [replace(t, low=a, high=b) for t, (a, b) in zip(tensors, ends, strict=True)]
        found = _given(OPERATIONS[step.operation].result(*bounded, **step.attributes))
    return _compressed(found, program.tensors[step.output].shape)


def is_own(step: Step) -> bool:
    """Return whether the operation of a step is one of this package."""
    return OPERATIONS[step.operation].compute is getattr(arithmetic, step.operation, None)


def _given(tensor: Tensor) -> Interval:
    ones = np.ones((1,) * len(tensor.shape), np.int64)
    return Interval(ones * tensor.low, ones * tensor.high)


def _compressed(x: Interval, shape: Shape) -> Interval:
    """Return an interval with size 1 along axes where all cells are equal, and along open axes."""
    for axis, size in enumerate(shape):
        same = all((a == a.take([0], axis)).all() for a in (x.low, x.high))
        if size is None or same:
            x = x.over([axis])
    return x


# Operations whose results grow with each operand: the bounds are the results of the bounds.


def _monotone(step, tensors, operands):
    if step.operation in POSITIONAL:
        operands = [_full(x, t, step) for x, t in zip(operands, tensors, strict=True)]
    compute, arguments = OPERATIONS[step.operation].compute, step.arguments
    lows, highs = [x.low[None] for x in operands], [x.high[None] for x in operands]
    return Interval(compute(*lows, **arguments)[0], compute(*highs, **arguments)[0])


POSITIONAL = ("concatenate", "window_sum", "window_maximum", "reduce_sum", "total") + (
    ("pad", "crop", "reshape", "repeat", "take")
)


def _full(x, tensor, step):
    """Return an interval with all cells. What is done to an open axis depends on no size."""
    extent = sum(int(np.sum(step.attributes.get(name, 0))) for name in ("window", "cropping"))
    shape = [extent + 1 if size is None else size for size in tensor.shape]
    return Interval(np.broadcast_to(x.low, shape), np.broadcast_to(x.high, shape))


# Products with a kernel: positive and negative weights apart


def _weighted(x, kernel, product):
    """Return the interval of `product(codes, weights)`, a sum of products."""
    positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)
    low = product(x.low, positive) + product(x.high, negative)
    return Interval(low, product(x.high, positive) + product(x.low, negative))


def _convolved(x, kernel, padding, groups, **_):
    """Return the interval of a convolution, of which each cell reads any cells of its channel."""
    weights = kernel.aligned
    space = range(weights.ndim - 2)
    x = _along(x.over(space), -1, groups * weights.shape[-2])
    if np.any(padding):  # cells outside count as zero
        x = x.with_zero()

    def product(codes, kernel):
        one = kernel.sum(axis=tuple(space), keepdims=True)
        ones, none = (1,) * len(space), ((0, 0),) * len(space)
        return arithmetic.convolve(codes[None], one, ones, none, ones, groups)[0]

    return _weighted(x, weights, product)


def _convolved_transposed(x, kernel, strides, dilation, **_):
    """Return the interval of a transposed convolution.

    The place of an output within a stride tells which cells of the kernel reach it. At the border
    some of them are missing.
    """
    weights = kernel.aligned
    space = range(weights.ndim - 2)
    x = _along(x.over(space), -1, weights.shape[-1]).with_zero()
    phases = []
    for place in np.ndindex(*strides):
        axes = zip(place, strides, dilation, weights.shape, strict=False)
        reached = [np.flatnonzero(np.arange(n) * d % s == p) for p, s, d, n in axes]
        part = weights[np.ix_(*reached)]
        phases.append(_weighted(x, part, lambda a, b: a @ b.sum(axis=tuple(space)).T))
    low = np.minimum.reduce([phase.low for phase in phases])
    return Interval(low, np.maximum.reduce([phase.high for phase in phases]))


def _matrix_product(x, kernel):
    weights = kernel.aligned
    return _weighted(_along(x, -1, len(weights)), weights, arithmetic.matrix_product)


def _along(x, axis, size):
    """Return an interval with all cells of an axis."""
    shape = list(x.low.shape)
    shape[axis] = size
    return Interval(np.broadcast_to(x.low, shape), np.broadcast_to(x.high, shape))


def _matrices(first, second, terms):
    """Return the interval of the products of the matrices of two tensors."""
    first, second = _along(first, -1, terms), _along(second, -2, terms)
    a = Interval(first.low[..., None], first.high[..., None])
    b = Interval(second.low[..., None, :, :], second.high[..., None, :, :])
    products = _product(a, b)
    return Interval(products.low.sum(-2), products.high.sum(-2))


# Elementwise


def _between(*ends):
    """Return the interval between the least and the largest of arrays that broadcast."""
    ends = np.broadcast_arrays(*ends)
    return Interval(np.minimum.reduce(ends), np.maximum.reduce(ends))


def _multiplied(x, constant):
    return _between(x.low * constant.aligned, x.high * constant.aligned)


def _product(first, second):
    return _between(*(a * b for a in (first.low, first.high) for b in (second.low, second.high)))


def _subtracted(first, second, shifts):
    a, b = shifts
    low = (first.low << a) - (second.high << b)
    return Interval(low, (first.high << a) - (second.low << b))


def _looked_up(x, table, first):
    ends = np.stack([x.low.ravel(), x.high.ravel()], axis=1)
    pairs, which = np.unique(ends, axis=0, return_inverse=True)
    reached = [table.codes[max(a - first, 0) : b - first + 1] for a, b in pairs]
    low, high = (np.array([end(codes) for codes in reached]) for end in (np.min, np.max))
    shape, which = x.low.shape, which.ravel()
    return Interval(low[which].reshape(shape), high[which].reshape(shape))


def _softmax(x, bits, **_):
    zeros = np.zeros_like(x.low)
    return Interval(zeros, zeros + 2**bits)


def _constant(x, constant):
    return Interval(constant.aligned, constant.aligned)


RULES: dict[str, Callable[..., Interval]] = {
    "convolve": _convolved,
    "convolve_transposed": _convolved_transposed,
    "matrix_product": _matrix_product,
    "multiply": _multiplied,
    "product": _product,
    "subtract": _subtracted,
    "lookup": _looked_up,
    "softmax": _softmax,
    "constant_tensor": _constant,
}
