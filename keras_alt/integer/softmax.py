"""Integer form of a softmax: tables of exponentials, sums and quotients."""

import numpy as np

from keras_alt.exponentials import BITS, guard_bits
from keras_alt.formats import FixedPoint
from keras_alt.graph import Call
from keras_alt.integer.axes import known_size
from keras_alt.integer.program import Constant, NotIntegerError
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import Variable
from keras_alt.layers import QuantSoftmax


@handles(QuantSoftmax)
def _softmax(reader: Reader, call: Call) -> Variable:
    x, layer = reader.operand(call), call.layer
    axis = layer.axis % (len(x.shape) + 1)
    length = x.shape[axis - 1]
    known_size(layer, [length])
    codes = layer.exponentials(x.exponent, length)
    if codes is None:
        raise NotIntegerError(
            f"The input of '{layer.name}' must have a step that its table covers: calibrate on "
            f"data like that of training. Received: a step of 2**{x.exponent}"
        )
    table, fine = codes
    return x.softmax(_unsigned(table, BITS), _unsigned(fine, BITS + guard_bits(length)), axis)


def _unsigned(codes, bits) -> Constant:
    """Return numbers from 0 to 1, of which 1 is `2**bits`."""
    return Constant(codes.astype(np.int64), -bits, FixedPoint(bits + 1, signed=False))
