"""What quantizers make of tensors and constants."""

import math

import numpy as np
from keras import ops

from keras_alt.activations import RELU_MAX
from keras_alt.graph import Call
from keras_alt.integer.arithmetic import FLOAT_ROUNDINGS
from keras_alt.integer.program import Constant, NotIntegerError, Tensor
from keras_alt.integer.variables import Grid
from keras_alt.numerics.rounding import ROUNDINGS
from keras_alt.quantizer import Quantizer


def grid(
    quantizer: Quantizer,
    call: Call | None = None,
    x: Tensor | None = None,
    rounding: str = "half_even",
) -> Grid:
    """Return the grid of one use of a quantizer.

    Args:
        quantizer: the quantizer.
        call: its call, which may give another rounding and an activation.
        x: what it rounds, if that lies on a grid.
        rounding: that of a call without one.
    """
    kwargs = call.kwargs if call is not None else {}
    rounding = kwargs.get("rounding", rounding)
    bound = RELU_MAX[kwargs.get("activation") or quantizer.activation]
    # One scale: only kernels may have one for each channel.
    format, exponent = quantizer.format, int(quantizer.exponent)
    low, high = format.qmin, format.qmax
    if bound is not None:
        low = max(low, 0)
        if math.isfinite(bound):
            code = rounded_bound(np.array(bound), Grid(format, exponent, low, high, rounding), x)
            high = int(min(float(code), high))
    return Grid(format, exponent, low, high, rounding)


def constant(values, quantizer: Quantizer) -> Constant:
    """Return what a quantizer makes of a constant tensor."""
    values = ops.convert_to_numpy(values).astype(np.float32)
    if not np.isfinite(values).all():
        raise NotIntegerError(
            f"Constants behind quantizer '{quantizer.path}' must be finite. Received: NaN or inf."
        )
    exponent, format = quantizer.exponent, quantizer.format
    return Constant.of(rounded(values, exponent, format.qmin, format.qmax), exponent, format)


def rounded_bound(bounds: np.ndarray, grid: Grid, x: Tensor | None) -> np.ndarray:
    """Return the codes of upper bounds of what is rounded to a grid, not clipped.

    Args:
        bounds: array of floats.
        grid: the grid.
        x: the tensor that is rounded, None if it lies on no grid.
    """
    codes = ops.convert_to_tensor(np.ldexp(bounds.astype(np.float32), -grid.exponent))
    # An average lies on the grid whose step the rule `double` takes for it.
    cells = 1 if x is None else int(np.max(x.divisor))
    step = None if x is None else 2.0 ** (x.exponent - cells.bit_length() + 1 - grid.exponent)
    return ops.convert_to_numpy(ROUNDINGS[grid.rounding](codes, grid.format, step))


def rounded(
    values: np.ndarray,
    exponent: int | np.ndarray,
    low: int,
    high: int,
    rounding: str = "half_even",
) -> np.ndarray:
    """Return `clip(round(values / 2**exponent), low, high)` as integers."""
    codes = FLOAT_ROUNDINGS[rounding](np.ldexp(values.astype(np.float64), -exponent))
    return np.clip(codes, low, high).astype(np.int64)
