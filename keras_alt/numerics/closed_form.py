"""The quantizer's forward and backward as plain tensor expressions, for every backend."""

import math

from keras import ops

from keras_alt.numerics.rounding import ROUNDINGS

LN2 = math.log(2.0)


def forward(x, log2_threshold, format, rounding, relu_max, exponent=None):
    """Return `x` on the grid. `exponent` is that of the grid of `x`, None if no rule needs it."""
    scale = power_of_two(log2_threshold, format)
    # The reciprocal of a power of two is exact, and a product cheaper than a quotient.
    z = rectified(x, relu_max) * (1.0 / scale)
    r = ROUNDINGS[rounding](z, format, _step(exponent, scale))
    return ops.clip(r, format.qmin, format.qmax) * scale


def backward(x, log2_threshold, upstream, format, rounding, relu_max, exponent=None):
    """Return `(dx, dlog2_threshold)`, recomputing the codes from `x`."""
    rules = format, rounding, relu_max, exponent
    dx, per_element = backward_terms(x, log2_threshold, upstream, *rules)
    return dx, threshold_gradient(per_element, log2_threshold, format)


def backward_terms(x, log2_threshold, upstream, format, rounding, relu_max, exponent=None):
    """Return `dx`, and each element's share of the threshold's gradient in units of scale * ln 2.

    A value is inside if its rounded code is: what rounds to `qmax` is not clipped.
    """
    scale = power_of_two(log2_threshold, format)
    z = rectified(x, relu_max) * (1.0 / scale)
    r = ROUNDINGS[rounding](z, format, _step(exponent, scale))
    clipped = ops.clip(r, format.qmin, format.qmax)
    # Codes are integers, so their distance is 0 or at least 1. TensorFlow's CPU kernels for `where`
    # and for comparisons are several times slower than this arithmetic.
    inside = _one(scale) - ops.minimum(ops.abs(r - clipped), 1.0)
    per_element = upstream * (clipped - inside * z)
    if relu_max is not None:
        inside = inside * ops.cast(ops.logical_and(x > 0, x < relu_max), z.dtype)
    return upstream * inside, per_element


def sum_forward(x, bias, log2_thresholds, rules, exponent=None):
    """Return `activation(accumulator(x) + bias)` on the activation's grid.

    Args:
        log2_thresholds: of the activation and, if there is one, of the accumulator.
        rules: `(format, rounding, relu_max)` of each.
        exponent: of the grid of the sum, None if no rule needs it.
    """
    total = _sum(x, bias, log2_thresholds, rules)
    return forward(total, log2_thresholds[0], *rules[0], exponent)


def sum_backward_terms(x, bias, log2_thresholds, upstream, rules, exponent=None):
    """Return `dx`, `dsum` and, for each threshold, the shares that `backward_terms` returns."""
    total = _sum(x, bias, log2_thresholds, rules)
    dsum, per_element = backward_terms(total, log2_thresholds[0], upstream, *rules[0], exponent)
    dx, shares = dsum, [per_element]
    for log2_threshold, accumulator in zip(log2_thresholds[1:], rules[1:], strict=True):
        dx, per_element = backward_terms(x, log2_threshold, dsum, *accumulator)
        shares.append(per_element)
    return dx, dsum, shares


def gradients(x, bias, log2_thresholds, upstream, rules, exponent=None):
    """Return the gradients of `x`, of the bias and of each threshold; without a bias it is None."""
    if bias is None:
        dx, of_threshold = backward(x, log2_thresholds[0], upstream, *rules[0], exponent)
        return dx, None, of_threshold
    given = x, bias, log2_thresholds, upstream, rules, exponent
    dx, dsum, shares = sum_backward_terms(*given)
    of_thresholds = (
        threshold_gradient(share, log2_threshold, of[0])
        for share, log2_threshold, of in zip(shares, log2_thresholds, rules, strict=True)
    )
    rows = ops.reshape(dsum, (-1, bias.shape[0]))
    return dx, ops.sum(rows, axis=0), *of_thresholds


def _sum(x, bias, log2_thresholds, rules):
    for log2_threshold, accumulator in zip(log2_thresholds[1:], rules[1:], strict=True):
        x = forward(x, log2_threshold, *accumulator)
    return x + bias


def lookup(x, exponent, table, first):
    """Return `table[code - first]` for each element of `x`, which is `code * 2**exponent`."""
    codes = ops.cast(x * ops.power(ops.cast(2.0, "float32"), -exponent), "int32")
    return ops.take(table, ops.clip(codes - first, 0, ops.size(table) - 1), axis=0)


def softmax(x, exponent, tables, unit, axis, bits, guard):
    """Return the probabilities of the rows along an axis of `x`, which is `code * 2**exponent`.

    Each is a whole number of `unit`. The numbers in between are integers of 32 bits.
    """
    table, fine = tables
    top = ops.amax(x, axis=axis, keepdims=True)
    total = ops.sum(softmax_terms(x, top, exponent, fine), axis=axis, keepdims=True)
    return softmax_shares(x, top, exponent, table, total, unit, bits, guard)


def softmax_terms(x, top, exponent, table):
    """Return the exponentials of codes, from how far they are below the largest of their row."""
    return lookup(top - x, exponent, table, 0)


def softmax_shares(x, top, exponent, table, total, unit, bits, guard):
    """Return probabilities from the sums of their rows, which have guard bits."""
    total = ops.floor_divide(total + 2**guard // 2, 2**guard)
    numerators = softmax_terms(x, top, exponent, table) * 2**bits + ops.floor_divide(total, 2)
    return ops.cast(_quotients(numerators, total), x.dtype) * unit


def _quotients(n, divisor):
    """Return `floor(n / divisor)` of positive integers, for quotients of up to 16 bits.

    The product with a reciprocal is less than 1 off, so its remainder tells the correction. For 5
    million numbers this took 29 ms, and integer division 96 ms.
    """
    reciprocal = 1.0 / ops.cast(divisor, "float32")
    quotient = ops.cast(ops.cast(n, "float32") * reciprocal, "int32")
    rest = n - quotient * divisor
    return quotient + ops.cast(rest >= divisor, "int32") - ops.cast(rest < 0, "int32")


def softmax_gradient(probabilities, upstream, axis, scale):
    """Return the gradient of `x` for `probabilities = softmax(scale * x)`."""
    weighted = probabilities * upstream
    return scale * (weighted - probabilities * ops.sum(weighted, axis=axis, keepdims=True))


def threshold_gradient(per_element, log2_threshold, format):
    """Return the gradient of log2_threshold: the plain sum over the elements that it clips."""
    scale = power_of_two(log2_threshold, format) * LN2
    shape = tuple(log2_threshold.shape)
    if not shape:
        return ops.sum(per_element) * scale
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1)
    shares = ops.sum(per_element, axis=axes, keepdims=True) if axes else per_element
    return shares * scale


def held(value, frozen):
    """Return `value`, without a gradient where the boolean scalar `frozen` is true."""
    return ops.where(frozen, ops.stop_gradient(value), value)


def _step(exponent, scale):
    """Return the step of the grid with an exponent in units of `scale`; None if it is None."""
    if exponent is None:
        return None
    return ops.power(ops.cast(2.0, "float32"), exponent) * (1.0 / scale)


def _one(scale):
    """Return 1, or NaN for a threshold that is not set, so that its gradients are NaN too.

    Its scale is infinite, and every code would be 0, which is inside.
    """
    return ops.where(ops.isfinite(scale), ops.ones_like(scale), math.nan)


def exponent_of(log2_threshold, format):
    """Return log2 of the scale."""
    return ops.ceil(log2_threshold) - (format.bits - int(format.signed))


def power_of_two(log2_threshold, format):
    """Return the scale, the step of the grid."""
    # `ops.power(2.0, integer)` is exact on all three backends; exp2 and exp(k ln 2) are not.
    return ops.power(ops.cast(2.0, "float32"), exponent_of(log2_threshold, format))


def rectified(x, relu_max):
    """Return `x` clipped to [0, relu_max]; `x` itself if that is None."""
    if relu_max is None:
        return x
    return ops.relu(x) if math.isinf(relu_max) else ops.clip(x, 0.0, relu_max)


def exact_log2(x):
    """Return log2(x), an integer for every exact power of two, which log(x) / log(2) misses."""
    approximate = ops.log2(x)
    nearest = ops.round(approximate)
    return ops.where(ops.equal(ops.power(ops.cast(2.0, x.dtype), nearest), x), nearest, approximate)
