"""Averages that are rounded once, also where XLA compiles them.

XLA turns a quotient by a constant, and one by a number for all elements, into a product with a
rounded reciprocal. Then the average of seven times 24.5 is 24.500002. An average of codes may lie
exactly between two codes of the quantizer behind it, so this last bit changes codes.
"""

import math
from collections.abc import Sequence

from keras import ops


def mean(x, axes: Sequence[int], keepdims: bool):
    """Return the means of `x` over some axes."""
    cells = math.prod(ops.shape(x)[axis] for axis in axes)
    return _quotient(ops.sum(x, axis=tuple(axes), keepdims=keepdims), cells)


def window_mean(x, axes: Sequence[int], size, strides, pads):
    """Return the means of the cells of `x` in each window; cells of the padding do not count.

    Args:
        axes: along which windows move.
        size, strides: of the windows, along each of these axes.
        pads: cells before and after `x`, along each of these axes.
    """
    windows = list(zip(axes, size, strides, pads, strict=True))
    cells = ops.ones_like(x[tuple(slice(None if a in axes else 1) for a in range(len(x.shape)))])
    return _quotient(_window_sum(x, windows), _window_sum(cells, windows))


def _window_sum(x, windows):
    # Axis after axis: sums of codes are exact, so their order does not matter.
    for axis, size, stride, pads in windows:
        around = [pads if a == axis else (0, 0) for a in range(len(x.shape))]
        x = ops.pad(x, around) if any(pads) else x
        before = (slice(None),) * axis
        x = sum(x[(*before, slice(i, i - size + 1 or None, stride))] for i in range(size))
    return x


def _quotient(total, cells):
    """Return `total / cells`, correctly rounded.

    `clip` returns `cells` whatever the total is, but XLA does not know that.
    """
    cells = ops.cast(cells, total.dtype)
    return total / ops.stop_gradient(ops.clip(total, cells, cells))
