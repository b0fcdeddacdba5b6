"""The quantizer's forward and backward as plain tensor expressions, for every backend."""

import math

from keras import ops

from keras_alt.numerics.rounding import ROUNDINGS

LN2 = math.log(2.0)


def forward(x, log2_threshold, format, rounding, relu_max):
    """Return `x` on the grid."""
    scale = power_of_two(log2_threshold, format)
    r = ROUNDINGS[rounding](rectified(x, relu_max) / scale, format)
    return ops.clip(r, format.qmin, format.qmax) * scale


def backward(x, log2_threshold, upstream, format, rounding, relu_max):
    """Return `(dx, dlog2_threshold)`, recomputing the codes from `x`.

    The comparisons are on the rounded code, not on `x`: a value that rounds to `qmax` is inside.
    """
    scale = power_of_two(log2_threshold, format)
    z = rectified(x, relu_max) / scale
    r = ROUNDINGS[rounding](z, format)
    clipped = ops.clip(r, format.qmin, format.qmax)
    inside = ops.equal(r, clipped)
    zero = ops.zeros_like(upstream)
    dx = ops.where(inside, upstream, zero)
    if relu_max is not None:
        dx = ops.where(ops.logical_and(x > 0, x < relu_max), dx, zero)
    per_element = upstream * ops.where(inside, clipped - z, clipped)
    return dx, ops.sum(per_element) * scale * LN2


def power_of_two(log2_threshold, format):
    # `ops.power(2.0, integer)` is exact on the three backends; exp2 and exp(k ln 2) are not.
    exponent = ops.ceil(log2_threshold) - (format.bits - int(format.signed))
    return ops.power(ops.cast(2.0, "float32"), exponent)


def rectified(x, relu_max):
    if relu_max is None:
        return x
    return ops.relu(x) if math.isinf(relu_max) else ops.clip(x, 0.0, relu_max)


def exact_log2(x):
    """log2 that is an integer for every exact power of two, unlike log(x) / log(2)."""
    approximate = ops.log2(x)
    nearest = ops.round(approximate)
    return ops.where(ops.equal(ops.power(ops.cast(2.0, x.dtype), nearest), x), nearest, approximate)
