"""Integer tensor operations: codes in, codes out, no floating point.

Codes are int64 arrays in channels-last order; the first axis is the batch. What a code is worth
is known to the program, not to these functions.
"""

from collections.abc import Callable

import numpy as np

DENOMINATOR_BITS = 62  # int64 holds twice the remainder


def requantize(codes, shift, rounding, low, high, offset=0, divisor=1):
    """Return `clip(round(codes / (divisor * 2**shift)), low, high)`.

    Args:
        codes: int64 array.
        shift: to the right; negative to the left.
        rounding: name of a rule in `ROUNDINGS`, or `double`.
        low, high: bounds of the result.
        offset: zero point of the stored codes, which `half_away_stored` rounds.
        divisor: number of cells of an average: an integer, or an array that broadcasts.
    """
    for part in _roundings(shift, rounding, divisor):
        codes = _rounded(codes, **part, offset=offset)
    return np.clip(codes, low, high)


def _roundings(shift, rounding, divisor):
    """Return the single roundings of a rule in order: `shift`, `rounding` and `divisor` of each.

    The rule `double` rounds half up to twice the step of the codes, then half away from zero. What
    an average lies on is not a grid; `2**floor(log2(divisor))` cells count as one step.
    """
    if rounding != "double":
        return [{"shift": shift, "rounding": rounding, "divisor": divisor}]
    first = 2 - int(divisor).bit_length()
    if shift <= first:
        return [{"shift": shift, "rounding": "half_up", "divisor": divisor}]
    return [
        {"shift": first, "rounding": "half_up", "divisor": divisor},
        {"shift": shift - first, "rounding": "half_away", "divisor": 1},
    ]


def _rounded(codes, shift, rounding, divisor, offset):
    codes = codes << max(-shift, 0)
    if np.all(divisor == 1) and shift <= 0:
        return codes
    codes, shift = _in_reach(codes, shift, int(np.max(divisor)))
    return _divided(codes, divisor << max(shift, 0), ROUNDINGS[rounding], offset)


def _in_reach(codes, shift, divisor):
    """Return codes and a shift that round alike, with a denominator of `DENOMINATOR_BITS`.

    The last bit of a code says whether one of those that are dropped is set, so ties stay ties.
    """
    dropped = shift + divisor.bit_length() - DENOMINATOR_BITS
    if dropped <= 0:
        return codes, shift
    bits = min(dropped, 63)
    kept = codes >> bits
    return kept | (kept << bits != codes), shift - dropped


def _divided(codes, denominator, rounds_up, offset):
    if isinstance(denominator, int) and denominator & (denominator - 1) == 0:
        quotient = codes >> (denominator.bit_length() - 1)
    else:
        quotient = codes // denominator
    twice = 2 * (codes - quotient * denominator)
    return quotient + rounds_up(twice - denominator, quotient, offset)


# Whether the next integer is nearer than `quotient` (q), or chosen in a tie (`excess` e of 0).
ROUNDINGS = {
    "half_even": lambda e, q, offset: (e > 0) | ((e == 0) & (q & 1 == 1)),
    "half_up": lambda e, q, offset: e >= 0,
    "half_away": lambda e, q, offset: (e > 0) | ((e == 0) & (q >= 0)),
    "floor": lambda e, q, offset: np.zeros(np.shape(e), bool),
    "half_away_stored": lambda e, q, offset: (e > 0) | ((e == 0) & (q + offset >= 0)),
}

# Of floating-point codes. In float64, the codes of float32 values have room for the half.
FLOAT_ROUNDINGS: dict[str, Callable] = {
    "half_even": np.rint,
    "half_away": lambda z: np.copysign(np.floor(np.abs(z) + 0.5), z),
}


def convolve(codes, kernel, strides, padding, dilation, groups=1):
    """Return the sums of a convolution over any number of space axes.

    Args:
        codes: (batch, *space, channels).
        kernel: (*window, channels / groups, filters).
        strides, dilation: an integer for each space axis.
        padding: `(before, after)` for each space axis.
    """
    codes = np.pad(codes, [(0, 0), *padding, (0, 0)])
    window = kernel.shape[:-2]
    space = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(codes.shape[1:-1], window, strides, dilation, strict=True)
    ]
    total = np.zeros((len(codes), *space, kernel.shape[-1]), np.int64)
    for position in np.ndindex(*window):
        at = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(position, dilation, space, strides, strict=True)
        )
        total += _mixed(codes[:, *at], kernel[position], groups)
    return total


def _mixed(codes, kernel, groups):
    """Multiply (..., channels) codes by a (channels / groups, filters) matrix."""
    if groups == 1:
        return matrix_product(codes, kernel)
    channels, filters = codes.shape[-1], kernel.shape[-1]
    if channels == groups:
        spread = kernel.reshape(groups, filters // groups)
        return (codes[..., None] * spread).reshape(*codes.shape[:-1], filters)
    parts = zip(np.split(codes, groups, -1), np.split(kernel, groups, -1), strict=True)
    return np.concatenate([matrix_product(a, b) for a, b in parts], axis=-1)


def matrix_product(codes, kernel):
    """Return the products of the last axis with a (channels, filters) matrix."""
    # NumPy has no BLAS for integers; its einsum is the quickest of the loops it offers.
    return np.einsum("...c,cf->...f", codes, kernel)


def batch_matmul(first, second):
    """Return the products of the matrices of two tensors, in their last two axes."""
    return np.einsum("...td,...ds->...ts", first, second)


def convolve_transposed(codes, kernel, strides, crop, size, dilation):
    """Return the sums of a transposed convolution: each code spreads the kernel over the output.

    Args:
        codes: (batch, *space, channels).
        kernel: (*window, filters, channels).
        crop: cells to leave out in front, for each space axis.
        size: of the result, for each space axis.
    """
    window = kernel.shape[:-2]
    space = codes.shape[1:-1]
    full = [
        max((n - 1) * s + (k - 1) * d + 1, c + out)
        for n, s, k, d, c, out in zip(space, strides, window, dilation, crop, size, strict=True)
    ]
    total = np.zeros((len(codes), *full, kernel.shape[-2]), np.int64)
    for position in np.ndindex(*window):
        at = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(position, dilation, space, strides, strict=True)
        )
        total[:, *at] += matrix_product(codes, kernel[position].T)
    return total[:, *(slice(c, c + out) for c, out in zip(crop, size, strict=True))]


def multiply(codes, constant):
    """Return `codes * constant`, an integer or an array that broadcasts."""
    return codes * constant


def product(first, second):
    """Return the products of two tensors."""
    return first * second


def lookup(codes, table, first):
    """Return `table[code - first]` for each code."""
    return table[codes - first]


def softmax(codes, table, fine, axis, bits, guard):
    """Return the probabilities of the rows along an axis, in steps of `2**-bits`.

    Args:
        table: exponentials for codes 0, 1, 2, ... steps below the largest of their row.
        fine: the same with `guard` more bits, which the sum of a row is made of.
    """
    below = codes.max(axis=axis, keepdims=True) - codes
    total = fine[below].sum(axis=axis, keepdims=True)
    total = (total + (1 << guard) // 2) >> guard
    return ((table[below] << bits) + (total >> 1)) // total


def constant_tensor(codes, constant):
    """Return a constant for each sample."""
    return np.broadcast_to(constant, (len(codes), *constant.shape))


def add_constant(codes, constant, shifts):
    """Return the sum of codes and a constant, each shifted left first."""
    return (codes << shifts[0]) + (constant << shifts[1])


def add(*operands, shifts):
    """Return the sum of operands, each shifted left first."""
    return sum(codes << shift for codes, shift in zip(operands, shifts, strict=True))


def subtract(first, second, shifts):
    """Return the difference of operands, each shifted left first."""
    return (first << shifts[0]) - (second << shifts[1])


def maximum(*operands, shifts):
    """Return the elementwise maximum of operands, each shifted left first."""
    return _folded(np.maximum, operands, shifts)


def minimum(*operands, shifts):
    """Return the elementwise minimum of operands, each shifted left first."""
    return _folded(np.minimum, operands, shifts)


def _folded(function, operands, shifts):
    first, *others = (codes << shift for codes, shift in zip(operands, shifts, strict=True))
    for other in others:
        first = function(first, other)
    return first


def concatenate(*operands, shifts, axis):
    """Return operands side by side, each shifted left first."""
    shifted = [codes << shift for codes, shift in zip(operands, shifts, strict=True)]
    return np.concatenate(shifted, axis=axis)


def clip(codes, low, high):
    """Return codes with bounds, either of which may be None."""
    return np.clip(codes, low, high)


def pad(codes, padding):
    """Return codes with zeros around: `(before, after)` for each axis behind the batch."""
    return np.pad(codes, [(0, 0), *padding])


def crop(codes, cropping):
    """Return codes without `(before, after)` cells of each axis but the batch."""
    return codes[:, *(slice(a, n - b) for (a, b), n in zip(cropping, codes.shape[1:], strict=True))]


def window_sum(codes, window, strides, padding):
    """Return the sums over windows of the space axes; cells outside count as zero."""
    return _over_windows(np.add, codes, window, strides, padding, 0)


def window_maximum(codes, window, strides, padding):
    """Return the maxima over windows of the space axes; cells outside do not count."""
    return _over_windows(np.maximum, codes, window, strides, padding, np.iinfo(np.int64).min)


def _over_windows(function, codes, window, strides, padding, outside):
    codes = np.pad(codes, [(0, 0), *padding, (0, 0)], constant_values=outside)
    sizes = zip(codes.shape[1:-1], window, strides, strict=True)
    space = [(size - w) // s + 1 for size, w, s in sizes]
    result = None
    for position in np.ndindex(*window):
        at = tuple(
            slice(i, i + (n - 1) * s + 1, s)
            for i, n, s in zip(position, space, strides, strict=True)
        )
        cells = codes[:, *at]
        result = cells if result is None else function(result, cells)
    return result


def reduce_sum(codes, axes, keepdims):
    """Return the sums over axes."""
    return codes.sum(axis=tuple(axes), keepdims=keepdims)


def reduce_maximum(codes, axes, keepdims):
    """Return the maxima over axes."""
    return codes.max(axis=tuple(axes), keepdims=keepdims)


def reduce_minimum(codes, axes, keepdims):
    """Return the minima over axes."""
    return codes.min(axis=tuple(axes), keepdims=keepdims)


def total(codes, axes, keepdims):
    """Return the sums over axes, which are no averages."""
    return reduce_sum(codes, axes, keepdims)


def reshape(codes, shape):
    """Return codes in another shape, the batch aside."""
    return codes.reshape(len(codes), *shape)


def transpose(codes, axes):
    """Return codes with permuted axes, the batch included."""
    return codes.transpose(axes)


def repeat(codes, repeats, axis):
    """Return codes with each cell of an axis repeated."""
    return codes.repeat(repeats, axis=axis)


def take(codes, indices, axis):
    """Return the cells at `indices` of an axis."""
    return codes.take(indices, axis=axis)
