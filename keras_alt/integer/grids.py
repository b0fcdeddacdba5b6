"""What quantizers make of tensors and constants."""

import math

import numpy as np
from keras import ops

from keras_alt.activations import RELU_MAX
from keras_alt.graph import Call
from keras_alt.integer.program import Constant, NotIntegerError
from keras_alt.integer.variables import Grid
from keras_alt.numerics.rounding import ROUNDINGS
from keras_alt.quantizer import Quantizer


def grid(quantizer: Quantizer, call: Call | None = None) -> Grid:
    """Return the grid of one use of a quantizer: `call` may give a rounding and an activation."""
    kwargs = call.kwargs if call is not None else {}
    rounding = kwargs.get("rounding", "half_even")
    bound = RELU_MAX[kwargs.get("activation") or quantizer.activation]
    # One scale: only kernels may have one for each channel.
    format, exponent = quantizer.format, int(quantizer.exponent)
    low, high = format.qmin, format.qmax
    if bound is not None:
        low = max(low, 0)
        if math.isfinite(bound):
            code = ROUNDINGS[rounding](ops.convert_to_tensor(bound * 2.0**-exponent), format)
            high = int(min(float(ops.convert_to_numpy(code)), high))
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


def rounded(values: np.ndarray, exponent: int | np.ndarray, low: int, high: int) -> np.ndarray:
    """Return `clip(round(values / 2**exponent), low, high)` as integers, ties to even."""
    codes = np.rint(np.ldexp(values.astype(np.float64), -exponent))
    return np.clip(codes, low, high).astype(np.int64)
