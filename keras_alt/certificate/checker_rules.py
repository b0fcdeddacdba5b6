"""The bounds of each operation, for the checker of certificates.

Bounds are a pair of arrays of Python's integers, which have no limit: the least and the largest
code. They have the rank of the tensor without the batch. An axis has size 1 where all its cells
have the same bounds, and where its size is open. This file needs NumPy alone.
"""

import functools

import numpy as np


def everywhere(tensor, low, high):
    """Return bounds that hold for all cells of a tensor."""
    shape = [1] * len(tensor["shape"])
    return np.full(shape, low, object), np.full(shape, high, object)


def arrays(x):
    """Return bounds as arrays: NumPy makes a number of an operation on arrays without axes."""
    return tuple(np.asarray(end, object) for end in x)


def with_zero(x):
    """Return bounds of codes and of zero."""
    return arrays((np.minimum(x[0], 0), np.maximum(x[1], 0)))


def compressed(x, shape):
    """Keep one cell of each axis that is open, or along which all cells have the same bounds."""
    x = arrays(x)
    for axis, size in enumerate(shape):
        if size is None or all((a == a.take([0], axis)).all() for a in x):
            x = x[0].min(axis, keepdims=True), x[1].max(axis, keepdims=True)
    return x


def _along(x, axis, size):
    shape = list(np.shape(x[0]))
    shape[axis] = size
    return [np.broadcast_to(a, shape) for a in x]


# Sums of products


def _weighted(x, kernel):
    """Return the bounds of the product of channels with a matrix."""
    more, less = np.maximum(kernel, 0), np.minimum(kernel, 0)
    return x[0] @ more + x[1] @ less, x[1] @ more + x[0] @ less


def _channels(x, axes, count):
    x = x[0].min(axes, keepdims=True), x[1].max(axes, keepdims=True)
    return _along(x, -1, count)


def _convolve(operands, tensors, kernel, padding, groups, **_):
    axes, inner = tuple(range(kernel.ndim - 2)), kernel.shape[-2]
    x = _channels(operands[0], axes, groups * inner)
    x = with_zero(x) if np.any(padding) else x
    more, less = (bound(kernel, 0).sum(axes) for bound in (np.maximum, np.minimum))
    parts = []
    for group, columns in enumerate(np.split(np.arange(kernel.shape[-1]), groups)):
        low, high = (a[..., group * inner : (group + 1) * inner] for a in x)
        p, n = more[:, columns], less[:, columns]
        parts.append((low @ p + high @ n, high @ p + low @ n))
    return [np.concatenate(ends, -1) for ends in zip(*parts, strict=True)]


def _convolve_transposed(operands, tensors, kernel, strides, dilation, **_):
    axes = tuple(range(kernel.ndim - 2))
    x = with_zero(_channels(operands[0], axes, kernel.shape[-1]))
    lows, highs = [], []
    for phase in np.ndindex(*strides):
        picked = kernel
        for axis, (place, stride, apart) in enumerate(zip(phase, strides, dilation, strict=True)):
            cells = np.arange(kernel.shape[axis]) * apart % stride == place
            picked = picked.compress(cells, axis)
        more, less = (bound(picked, 0).sum(axes).T for bound in (np.maximum, np.minimum))
        lows.append(x[0] @ more + x[1] @ less)
        highs.append(x[1] @ more + x[0] @ less)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)


def _matrix_product(operands, tensors, kernel):
    return _weighted(_along(operands[0], -1, len(kernel)), kernel)


def _batch_matmul(operands, tensors):
    terms = tensors[0]["shape"][-1]
    a = [end[..., None] for end in _along(operands[0], -1, terms)]
    b = [end[..., None, :, :] for end in _along(operands[1], -2, terms)]
    return [end.sum(-2) for end in _product([a, b], tensors)]


def _product(operands, tensors):
    return _ends(a * b for a in operands[0] for b in operands[1])


def _multiply(operands, tensors, constant):
    return _ends(end * constant for end in operands[0])


def _ends(candidates):
    candidates = list(candidates)
    return functools.reduce(np.minimum, candidates), functools.reduce(np.maximum, candidates)


# Grids and tables


def _requantize(operands, tensors, shift, rounding, low, high, offset, divisor):
    def code(c, cells):
        return min(max(_rounded(c, shift, rounding, cells, offset), low), high)

    compute = np.frompyfunc(code, 2, 1)
    cells = np.array(divisor).astype(object)
    cells = cells[0] if cells.ndim else cells  # without the batch
    return [np.asarray(compute(end, cells), object) for end in operands[0]]


def _rounded(c, shift, rounding, divisor, offset=0):
    if rounding == "double":
        first = 2 - divisor.bit_length()
        if shift <= first:
            return _rounded(c, shift, "half_up", divisor)
        return _rounded(_rounded(c, first, "half_up", divisor), shift - first, "half_away", 1)
    below = divisor << max(shift, 0)
    quotient, rest = divmod(c << max(-shift, 0), below)
    tie = {
        "half_even": quotient % 2 == 1,
        "half_up": True,
        "half_away": quotient >= 0,
        "half_away_stored": quotient + offset >= 0,
    }
    if rounding == "floor" or 2 * rest < below:
        return quotient
    return quotient + (tie[rounding] if 2 * rest == below else 1)


def _lookup(operands, tensors, table, first):
    def ends(low, high):
        reached = table[max(low - first, 0) : high - first + 1]
        return reached.min(), reached.max()

    found = np.frompyfunc(ends, 2, 2)(*operands[0])
    return [np.asarray(end, object) for end in found]


def _softmax(operands, tensors, bits, **_):
    return [np.ones_like(end) * most for end, most in zip(operands[0], (0, 2**bits), strict=True)]


# Merges and moves: each bound of the result follows from the same bound of the operands


def _each(compute, positional=True):
    def rule(operands, tensors, **attributes):
        if positional:
            outer = sum(int(np.sum(attributes.get(name, 0))) for name in ("window", "cropping"))
            shapes = [[outer + 1 if n is None else n for n in t["shape"]] for t in tensors]
            operands = [
                [np.broadcast_to(end, shape) for end in x]
                for x, shape in zip(operands, shapes, strict=True)
            ]
        return [compute(*ends, **attributes) for ends in zip(*operands, strict=True)]

    return rule


def _shifted(merge):
    def compute(*operands, shifts, **attributes):
        return merge(*(c << s for c, s in zip(operands, shifts, strict=True)), **attributes)

    return compute


def _window(merge, outside):
    def compute(codes, window, strides, padding):
        pairs = [*padding, (0, 0)]
        codes = np.pad(codes, pairs, constant_values=outside)
        cells = np.lib.stride_tricks.sliding_window_view(codes, window, range(len(window)))
        cells = cells[tuple(slice(None, None, stride) for stride in strides)]
        return merge.reduce(cells.reshape(*cells.shape[: codes.ndim], -1), -1)

    return compute


def _over(merge):
    def compute(codes, axes, keepdims):
        return merge.reduce(codes, tuple(axis - 1 for axis in axes), keepdims=keepdims)

    return compute


def _bias(codes, constant, shifts):
    return (codes << shifts[0]) + (constant << shifts[1])


def _clip(codes, low, high):
    codes = codes if low is None else np.maximum(codes, low)
    return codes if high is None else np.minimum(codes, high)


def _crop(codes, cropping):
    sizes = zip(cropping, codes.shape, strict=True)
    return codes[tuple(slice(a, n - b) for (a, b), n in sizes)]


def _subtract(operands, tensors, shifts):
    (low, high), (least, most) = operands
    a, b = shifts
    return (low << a) - (most << b), (high << a) - (least << b)


def _fold(ufunc):
    return lambda *operands: functools.reduce(ufunc, operands)


RULES = {
    "requantize": _requantize,
    "convolve": _convolve,
    "convolve_transposed": _convolve_transposed,
    "matrix_product": _matrix_product,
    "batch_matmul": _batch_matmul,
    "product": _product,
    "multiply": _multiply,
    "lookup": _lookup,
    "softmax": _softmax,
    "constant_tensor": lambda operands, tensors, constant: (constant, constant),
    "subtract": _subtract,
    "add_constant": _each(_bias, positional=False),
    "add": _each(_shifted(_fold(np.add)), positional=False),
    "maximum": _each(_shifted(_fold(np.maximum)), positional=False),
    "minimum": _each(_shifted(_fold(np.minimum)), positional=False),
    "clip": _each(_clip, positional=False),
    "concatenate": _each(
        _shifted(lambda *parts, axis: np.concatenate(parts, axis - 1 if axis > 0 else axis))
    ),
    "window_sum": _each(_window(np.add, 0)),
    "window_maximum": _each(_window(np.maximum, -(2**63))),
    "reduce_sum": _each(_over(np.add)),
    "total": _each(_over(np.add)),
    "reduce_maximum": _each(_over(np.maximum)),
    "reduce_minimum": _each(_over(np.minimum)),
    "pad": _each(lambda codes, padding: np.pad(codes, padding)),
    "crop": _each(_crop),
    "reshape": _each(lambda codes, shape: codes.reshape(shape)),
    "transpose": _each(
        lambda codes, axes: codes.transpose([axis - 1 for axis in axes[1:]]), positional=False
    ),
    "repeat": _each(lambda codes, repeats, axis: codes.repeat(repeats, axis - 1)),
    "take": _each(lambda codes, indices, axis: codes.take(indices, axis - 1)),
}
