"""The operations of integer programs that only move codes."""

from collections.abc import Sequence
from dataclasses import replace

from keras_alt.integer import arithmetic
from keras_alt.integer.operations import Pairs, operation
from keras_alt.integer.program import Shape, Sizes, Tensor


@operation(arithmetic.pad)
def pad(x: Tensor, *, padding: Pairs) -> Tensor:
    shape = tuple(
        None if n is None else n + a + b for n, (a, b) in zip(x.shape, padding, strict=True)
    )
    return replace(x, shape=shape, low=min(x.low, 0), high=max(x.high, 0))


@operation(arithmetic.crop)
def crop(x: Tensor, *, cropping: Pairs) -> Tensor:
    shape = tuple(
        None if n is None else n - a - b for n, (a, b) in zip(x.shape, cropping, strict=True)
    )
    return replace(x, shape=shape)


@operation(arithmetic.reshape)
def reshape(x: Tensor, *, shape: Shape) -> Tensor:
    return replace(x, shape=shape)


@operation(arithmetic.transpose)
def transpose(x: Tensor, *, axes: Sizes) -> Tensor:
    shape = tuple(x.shape[axis - 1] for axis in axes[1:])
    # The cells of an average lie as the sums do.
    divisor = x.divisor if isinstance(x.divisor, int) else x.divisor.transpose(axes)
    return replace(x, shape=shape, divisor=divisor)


@operation(arithmetic.repeat)
def repeat(x: Tensor, *, repeats: int, axis: int) -> Tensor:
    shape = tuple(
        None if n is None else n * repeats if i == axis else n
        for i, n in enumerate(x.shape, start=1)
    )
    return replace(x, shape=shape)


@operation(arithmetic.take)
def take(x: Tensor, *, indices: Sequence[int], axis: int) -> Tensor:
    shape = tuple(len(indices) if i == axis else n for i, n in enumerate(x.shape, start=1))
    return replace(x, shape=shape)
