"""The operations of integer programs: what each computes, and what its result can hold."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from keras_alt.integer import arithmetic
from keras_alt.integer.program import Constant, NotIntegerError, Shape, Sizes, Tensor

Pairs = tuple[tuple[int, int], ...]  # `(before, after)` for each axis


class Computation(Protocol):
    """Computes an operation.

    It takes the codes of the operands, and the attributes of the step by keyword. For a `Constant`
    it gets the aligned codes. It returns the codes of the result. Codes are int64 arrays; the batch
    is the first axis of operands and result.
    """

    __name__: str

    def __call__(self, *codes: Any, **attributes: Any) -> np.ndarray: ...


class ResultRule(Protocol):
    """Tells the result of an operation without computing it.

    It takes the `Tensor` of each operand, and the attributes of the step by keyword. It returns a
    `Tensor` with the shape, the exponent, the bounds, the format and the divisor of the result. The
    bounds must hold for all codes within the bounds of the operands. The name may be any.
    """

    def __call__(self, *operands: Any, **attributes: Any) -> Tensor: ...


@dataclass(frozen=True)
class Operation:
    """One kind of step.

    Attributes:
        compute: see `Computation`.
        result: see `ResultRule`.
    """

    compute: Computation
    result: ResultRule


OPERATIONS: dict[str, Operation] = {}


def operation(compute: Computation) -> Callable[[ResultRule], ResultRule]:
    """Return a decorator of the `ResultRule` of an operation.

    The decorator enters the operation in `OPERATIONS` under the name of `compute`.

    Raises:
        ValueError: an operation of this package has that name.
    """
    name = compute.__name__
    if getattr(arithmetic, name, compute) is not compute:
        raise ValueError(
            "An operation needs a name that `keras_alt.integer.arithmetic` does not have. "
            f"Received: compute.__name__={name!r}"
        )

    def register(result: ResultRule) -> ResultRule:
        OPERATIONS[name] = Operation(compute, result)
        return result

    return register


def _known(sizes: Sequence[int | None]) -> Sizes:
    """Return sizes; raise an error if one of them is open."""
    if None in sizes:
        raise NotIntegerError(f"The operation needs operands of known size. Received: {sizes}")
    return tuple(n for n in sizes if n is not None)


@operation(arithmetic.requantize)
def requantize(
    x: Tensor, *, shift: int, rounding: str, low: int, high: int, offset: int, divisor: Any
) -> Tensor:
    return replace(x, exponent=x.exponent + shift, low=low, high=high, format=None, divisor=1)


# Products with a kernel


@operation(arithmetic.convolve)
def convolve(
    x: Tensor, *, kernel: Constant, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Tensor:
    *window, _, filters = kernel.codes.shape
    size = _strided(x.shape[:-1], window, strides, padding, dilation)
    return _product(x, kernel, (*size, filters), channels=-1)


@operation(arithmetic.convolve_transposed)
def convolve_transposed(
    x: Tensor, *, kernel: Constant, strides: Sizes, crop: Sizes, size: Sizes, dilation: Sizes
) -> Tensor:
    return _product(x, kernel, (*size, kernel.codes.shape[-2]), channels=-2)


@operation(arithmetic.matrix_product)
def matrix_product(x: Tensor, *, kernel: Constant) -> Tensor:
    return _product(x, kernel, (*x.shape[:-1], kernel.codes.shape[-1]), channels=-1)


def _product(x: Tensor, kernel: Constant, shape: Shape, channels: int) -> Tensor:
    bound = _largest(magnitudes(kernel.codes, channels), kernel) * max(-x.low, x.high)
    exponent = x.exponent + kernel.exponent
    return replace(x, shape=shape, exponent=exponent, low=-bound, high=bound, format=None)


def _largest(magnitudes: np.ndarray, constant: Constant) -> int:
    """Return the largest of numbers on the grid of a constant, one for each channel, when aligned.

    Python's integers do not overflow, however far the grids of the channels lie apart.
    """
    if constant.shifts is None:
        return int(magnitudes.max(initial=0))
    pairs = zip(magnitudes.tolist(), constant.shifts.ravel().tolist(), strict=True)
    return max(number << shift for number, shift in pairs)


def magnitudes(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return sum|w| for each output channel; `channels` is their axis."""
    axes = tuple(i for i in range(kernel.ndim) if i != channels % kernel.ndim)
    return np.abs(kernel).sum(axis=axes)


# Elementwise


@operation(arithmetic.multiply)
def multiply(x: Tensor, *, constant: Constant) -> Tensor:
    factors = int(constant.aligned.min()), int(constant.aligned.max())
    products = [bound * factor for bound in (x.low, x.high) for factor in factors]
    exponent = x.exponent + constant.exponent
    return replace(x, exponent=exponent, low=min(products), high=max(products), format=None)


@operation(arithmetic.product)
def product(first: Tensor, second: Tensor) -> Tensor:
    return _products(first, second, _broadcast([first, second]))


@operation(arithmetic.batch_matmul)
def batch_matmul(first: Tensor, second: Tensor) -> Tensor:
    (terms,) = _known(first.shape[-1:])
    return _products(first, second, (*first.shape[:-1], second.shape[-1]), terms)


def _products(first: Tensor, second: Tensor, shape: Shape, terms: int = 1) -> Tensor:
    """Return sums of as many products of two tensors as there are `terms`."""
    products = [a * b for a in (first.low, first.high) for b in (second.low, second.high)]
    return replace(
        first,
        shape=shape,
        exponent=first.exponent + second.exponent,
        low=terms * min(products),
        high=terms * max(products),
        format=None,
    )


@operation(arithmetic.lookup)
def lookup(x: Tensor, *, table: Constant, first: int) -> Tensor:
    """Return one of `table` for each code; a tensor's codes may not reach all of them."""
    codes = table.codes[max(x.low - first, 0) : x.high - first + 1]
    low, high = int(codes.min()), int(codes.max())
    return replace(x, exponent=table.exponent, low=low, high=high, format=table.format)


@operation(arithmetic.softmax)
def softmax(
    x: Tensor, *, table: Constant, fine: Constant, axis: int, bits: int, guard: int
) -> Tensor:
    return replace(x, exponent=-bits, low=0, high=2**bits, format=None)


@operation(arithmetic.constant_tensor)
def constant_tensor(x: Tensor, *, constant: Constant) -> Tensor:
    codes = constant.codes
    return Tensor(
        x.name,
        codes.shape,
        constant.exponent,
        int(codes.min(initial=0)),
        int(codes.max(initial=0)),
        constant.format,
    )


@operation(arithmetic.add_constant)
def add_constant(x: Tensor, *, constant: Constant, shifts: tuple[int, int]) -> Tensor:
    (shifted,) = _aligned([x], shifts[:1])
    most = _largest(np.abs(constant.codes), constant) << shifts[1]
    return replace(shifted, low=shifted.low - most, high=shifted.high + most, format=None)


@operation(arithmetic.add)
def add(*operands: Tensor, shifts: Sizes) -> Tensor:
    tensors = _aligned(operands, shifts)
    low, high = sum(t.low for t in tensors), sum(t.high for t in tensors)
    return replace(tensors[0], shape=_broadcast(operands), low=low, high=high, format=None)


@operation(arithmetic.subtract)
def subtract(first: Tensor, second: Tensor, *, shifts: tuple[int, int]) -> Tensor:
    a, b = _aligned([first, second], shifts)
    shape = _broadcast([first, second])
    return replace(a, shape=shape, low=a.low - b.high, high=a.high - b.low, format=None)


@operation(arithmetic.maximum)
@operation(arithmetic.minimum)
def extremum(*operands: Tensor, shifts: Sizes) -> Tensor:
    return replace(_either(operands, shifts), shape=_broadcast(operands))


@operation(arithmetic.concatenate)
def concatenate(*operands: Tensor, shifts: Sizes, axis: int) -> Tensor:
    shape = list(operands[0].shape)
    at = axis % (len(shape) + 1) - 1
    sizes = [t.shape[at] for t in operands]
    shape[at] = None if None in sizes else sum(_known(sizes))
    return replace(_either(operands, shifts), shape=tuple(shape))


@operation(arithmetic.clip)
def clip(x: Tensor, *, low: int | None, high: int | None) -> Tensor:
    least, most = (int(arithmetic.clip(bound, low, high)) for bound in (x.low, x.high))
    return replace(x, low=least, high=most)


def _aligned(operands: Sequence[Tensor], shifts: Sizes) -> list[Tensor]:
    """Return operands shifted left."""
    return [
        replace(t, exponent=t.exponent - shift, low=t.low << shift, high=t.high << shift)
        for t, shift in zip(operands, shifts, strict=True)
    ]


def _either(operands: Sequence[Tensor], shifts: Sizes) -> Tensor:
    """Return a tensor of which each code is one of some operand."""
    tensors = _aligned(operands, shifts)
    one_grid = len({(t.exponent, t.format) for t in operands}) == 1
    return replace(
        tensors[0],
        low=min(t.low for t in tensors),
        high=max(t.high for t in tensors),
        format=operands[0].format if one_grid else None,
    )


def _broadcast(operands: Sequence[Tensor]) -> Shape:
    """Return the shape of operands of one rank, of which axes of size 1 are repeated."""
    axes = zip(*(t.shape for t in operands), strict=True)
    return tuple(None if None in sizes else max(_known(sizes)) for sizes in axes)


# Windows and axes


@operation(arithmetic.window_sum)
def window_sum(x: Tensor, *, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    size = _strided(x.shape[:-1], window, strides, padding, (1,) * len(window))
    if any(map(any, padding)):
        cells = _cells_inside(x, window, strides, padding)
    else:
        cells = np.array(math.prod(window))
    return _summed(x, (*size, x.shape[-1]), cells)


@operation(arithmetic.window_maximum)
def window_maximum(x: Tensor, *, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    size = _strided(x.shape[:-1], window, strides, padding, (1,) * len(window))
    return replace(x, shape=(*size, x.shape[-1]))


@operation(arithmetic.reduce_sum)
def reduce_sum(x: Tensor, *, axes: Sizes, keepdims: bool) -> Tensor:
    cells = np.array(math.prod(_known([x.shape[axis - 1] for axis in axes])))
    return _summed(x, _reduced(x.shape, axes, keepdims), cells)


@operation(arithmetic.total)
def total(x: Tensor, *, axes: Sizes, keepdims: bool) -> Tensor:
    return replace(reduce_sum(x, axes=axes, keepdims=keepdims), divisor=1)


@operation(arithmetic.reduce_maximum)
@operation(arithmetic.reduce_minimum)
def reduce_extremum(x: Tensor, *, axes: Sizes, keepdims: bool) -> Tensor:
    return replace(x, shape=_reduced(x.shape, axes, keepdims))


def _strided(space: Shape, window, strides: Sizes, padding: Pairs, dilation: Sizes) -> Shape:
    """Return how many windows there are along each axis."""
    axes = zip(space, window, strides, padding, dilation, strict=True)
    return tuple(
        None if n is None else (n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, (a, b), d in axes
    )


def _cells_inside(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> np.ndarray:
    """Return how many cells of each window lie inside: Keras' averages divide by them."""
    ones = np.ones((1, *_known(x.shape[:-1]), 1), np.int64)
    return arithmetic.window_sum(ones, window, strides, padding)


def _summed(x: Tensor, shape: Shape, cells: np.ndarray) -> Tensor:
    """Return the sums of averages, each over one of the numbers of `cells`."""
    least, most = int(cells.min()), int(cells.max())
    return replace(
        x,
        shape=shape,
        low=min(least * x.low, most * x.low),
        high=max(least * x.high, most * x.high),
        format=None,
        divisor=most if least == most else cells,
    )


def _reduced(shape: Shape, axes: Sizes, keepdims: bool) -> Shape:
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape, start=1))
    return tuple(n for i, n in enumerate(shape, start=1) if i not in axes)
