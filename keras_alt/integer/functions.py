"""Integer form of elementwise functions: one table for the function and the quantizer behind it."""

import numpy as np

from keras_alt.graph import Call
from keras_alt.integer.grids import grid, rounded
from keras_alt.integer.program import Constant, NotIntegerError
from keras_alt.integer.variables import Variable
from keras_alt.quantizer import quantizer_name


def looked_up(x: Variable, function: Call, quantizer: Call) -> Variable:
    """Return the codes of a quantizer that reads a function of `x`.

    Args:
        x: the input of the function.
        function: call of a `QuantFunction`.
        quantizer: call of the `Quantizer` behind it.
    """
    layer, result = function.layer, grid(quantizer.layer, quantizer)
    values = layer.values(x.exponent)
    if not np.isfinite(values).all():
        raise NotIntegerError(
            f"The input of '{layer.name}' must have a step that its table covers: calibrate on "
            f"data like that of training. Received: a step of 2**{x.exponent}"
        )
    if result.rounding != "half_even":
        raise NotIntegerError(
            f"A table rounds half to even. Received: rounding={result.rounding!r} behind "
            f"'{layer.name}'"
        )
    codes = rounded(values, result.exponent, result.low, result.high)
    table = Constant(codes, result.exponent, result.format)
    name = quantizer_name(quantizer.layer, quantizer.layer)
    return x.lookup(table, layer.format.qmin, name)
