"""Integer form of ReLUs with a cap for each channel."""

from dataclasses import replace

import numpy as np

from keras_alt.graph import Call
from keras_alt.integer.grids import grid, rounded_bound
from keras_alt.integer.program import Constant, Tensor
from keras_alt.integer.variables import Grid, Variable
from keras_alt.layers import CappedReLU
from keras_alt.quantizer import quantizer_name


def capped(x: Variable, relu: Call, quantizer: Call) -> Variable:
    """Return the codes of a quantizer that reads a ReLU with caps.

    Rounding keeps the order of numbers, so the rounded minimum of a number and its cap is the
    minimum of both rounded. Caps of one code for all channels are the upper bound of the codes.

    Args:
        x: the input of the ReLU, a full-precision sum or codes.
        relu: call of a `CappedReLU`.
        quantizer: call of the `Quantizer` behind it.
    """
    result = grid(quantizer.layer, quantizer, x.tensor)
    name = quantizer_name(quantizer.layer, quantizer.layer)
    codes = _cap_codes(relu.layer, result, x.tensor)
    rectified = replace(result, low=max(result.low, 0))
    if codes.min() == codes.max():
        return x.requantize(replace(rectified, high=int(codes[0])), name)
    rounded = x.requantize(rectified, f"{relu.layer.name}/rectified")
    codes = codes.reshape((*[1] * (len(x.shape) - 1), -1))
    caps = rounded.apply(
        "constant_tensor",
        name=f"{relu.layer.name}/caps",
        constant=Constant(codes, result.exponent, result.format),
    )
    return rounded.apply("minimum", caps, name=name, shifts=(0, 0))


def _cap_codes(relu: CappedReLU, result: Grid, x: Tensor) -> np.ndarray:
    """Return what the quantizer makes of the caps."""
    codes = rounded_bound(relu.upper_bounds(), result, x)
    return np.clip(codes, result.low, result.high).astype(np.int64)
