"""The quantizer function: rounding to a power-of-2 grid with trained thresholds."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.keras_internals import remember, remembered
from keras_alt.numerics.backend import numerics
from keras_alt.numerics.contract import Rules, SoftmaxRules
from keras_alt.numerics.rounding import STEPPED, require_rounding

SUM = "_keras_alt_sum"


def fake_quant(
    x,
    log2_threshold,
    format: FixedPoint,
    *,
    rounding: str = "half_even",
    relu_max: float | None = None,
    training: bool = True,
    exponent=None,
):
    """Round `x` onto the fixed-point grid that `log2_threshold` spans.

    The scale is `2**ceil(log2_threshold) / format.levels`, and the result is
    `scale * clip(round(x / scale), qmin, qmax)`. `ceil` and `round` pass gradients straight
    through, so the threshold's gradient trades range against precision (Jain et al., 2019,
    arXiv 1903.08066, section 3):

        dq/dx              = 1 where qmin <= round(x / scale) <= qmax, else 0
        dq/dlog2_threshold = scale * ln 2 * (round(z) - z inside, qmin below, qmax above)

    with `z = x / scale`, summed over the values that share a threshold.

    Args:
        x: float tensor of any shape; computed in float32.
        log2_threshold: float32 tensor: log2 of the clipping threshold, which is in the units of
            `x`. A scalar, or one for each channel: a tensor of the rank of `x`, whose axes have the
            size of that of `x`, or size 1 where values share a threshold.
        format: `FixedPoint`.
        rounding: name of a rule in `keras_alt.numerics.rounding`.
        relu_max: if given, `x` is first clipped to [0, relu_max] in the same pass over memory;
            infinity for ReLU, 6 for ReLU6.
        training: whether the result is trained through. On CPUs, C functions then compute forward
            and backward in one pass each. An exported graph needs False: it must not contain
            operators of this package or compiled functions. The values are the same.
        exponent: log2 of the step of the grid that `x` lies on, a scalar tensor. Only
            `rounding="double"` needs it.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    require_rounding("rounding", rounding)
    as_float32 = _float32(x)
    y = numerics.fake_quant(
        as_float32,
        _float32(log2_threshold),
        (format, rounding, relu_max),
        training,
        _exponent_for(rounding, exponent),
    )
    return y if as_float32 is x else ops.cast(y, ops.convert_to_tensor(x).dtype)


def _float32(x):
    """Return `x` as a float32 tensor.

    Keras' own cast takes a while, also if there is nothing to cast.
    """
    is_tensor = ops.is_tensor(x) and not hasattr(x, "assign")  # as variables of TensorFlow have
    if is_tensor and keras.backend.standardize_dtype(x.dtype) == "float32":
        return x
    return ops.cast(x, "float32")


class QuantizedSum(NamedTuple):
    """The terms of `accumulator(x) + bias`, which the quantizer of that sum may compute itself.

    Attributes:
        x, bias: tensors.
        accumulators: `(log2_threshold, rules)` of the quantizer between `x` and the sum, or empty.
    """

    x: Any
    bias: Any
    accumulators: tuple[tuple[Any, Rules], ...] = ()


def remember_sum(total, terms: QuantizedSum):
    """Note the terms with the tensor `total`, if the backend computes their sum faster."""
    if numerics.fuses_sum(total):
        remember(total, SUM, terms)


def held(log2_threshold, frozen):
    """Return `log2_threshold`, without a gradient where the boolean scalar `frozen` is true."""
    return numerics.held(log2_threshold, frozen)


def remembered_sum(total) -> QuantizedSum | None:
    """Return what `remember_sum` noted with this tensor, or None."""
    return remembered(total, SUM)


def fake_quant_sum(terms: QuantizedSum, log2_threshold, rules: Rules, exponent=None):
    """Return `fake_quant(accumulator(x) + bias)` in one pass over memory each way.

    Values and gradients are those of the single steps. Only the gradients of the bias and of the
    thresholds may differ, by the order of their additions.

    Args:
        terms: float32 `x` of shape `(..., channels)`, and a bias of shape `(channels,)`.
        log2_threshold: of the quantizer of the sum.
        rules: its `(format, rounding, relu_max)`.
        exponent: of the grid of the sum, as in `fake_quant`.
    """
    log2_thresholds, all_rules = zip((log2_threshold, rules), *terms.accumulators, strict=True)
    exponent = _exponent_for(rules[1], exponent)
    bias = ops.convert_to_tensor(terms.bias)
    return numerics.fake_quant_sum(terms.x, bias, log2_thresholds, all_rules, exponent)


def _exponent_for(rounding, exponent):
    """Return the exponent of the input's grid if the rounding depends on it, else None."""
    if rounding not in STEPPED:
        return None
    if exponent is None:
        raise ValueError(
            f"Rounding {rounding!r} depends on the step of the grid that its input lies on: give "
            "log2 of the step. A Quant layer takes that of its input as `input_exponent`. "
            "Received: exponent=None"
        )
    return ops.stop_gradient(ops.cast(exponent, "float32"))


def exponent_of(log2_threshold, format: FixedPoint):
    """Return log2 of the grid step, an integer, as a float32 tensor without gradient.

    It has the shape of the threshold.
    """
    return numerics.exponent_of(_float32(log2_threshold), format)


def lookup(x, exponent, values, slopes, first: int, training: bool):
    """Return `values[code - first]` for each element, where `x = code * 2**exponent`.

    Args:
        x: float32 tensor on the grid.
        exponent: float32 scalar tensor. NaN, and then every value is NaN, before calibration.
        values: float32 vector, one for each code.
        slopes: float32 vector; the gradient of `x` is `slopes[code - first]` times the upstream.
        first: lowest code.
        training: as in `fake_quant`.
    """
    return numerics.lookup(x, exponent, values, slopes, first, training)


def softmax(x, exponent, tables, unit, rules: SoftmaxRules, training: bool):
    """Return `softmax(scale * x)` along an axis, computed in integers of 32 bits.

    Args:
        x: float32 tensor on the grid with step `2**exponent`.
        exponent: float32 scalar tensor.
        tables: two int32 vectors of exponentials, by how many steps a code is below the largest
            one. Probabilities are made of the first, the sums of rows of the second, which has
            guard bits.
        unit: float32 scalar tensor, the step of the probabilities. NaN before calibration, and then
            every probability is NaN.
        rules: axis of the rows; bits of the first table, whose largest entry is `2**bits`; guard
            bits; `scale`.
        training: as in `fake_quant`.
    """
    return numerics.softmax(x, exponent, tables, unit, rules, training)
