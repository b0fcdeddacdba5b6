"""Tables of exponentials in whole numbers, of which an integer softmax is made."""

import numpy as np

from keras_alt.formats import FixedPoint
from keras_alt.functions import EXPONENTS

# Exponentials and probabilities are numbers of 2**-BITS. The sum of a row is made of finer ones,
# because the errors of a long row add up. Neither sums nor numerators of probabilities reach 2**31.
BITS = 15
# Probabilities of longer rows may be more than half a step of 2**-8 off.
LONGEST_ROW = 2048


def guard_bits(length: int) -> int:
    """Return how many bits finer the exponentials are that the sum of a row is made of."""
    return BITS - (length - 1).bit_length()


def exponentials(scale: float, format: FixedPoint, bits: int) -> np.ndarray:
    """Return `round(2**bits * exp(-scale * step * d))` on every grid of `format`, as int32.

    `d` counts the steps by which a code is below the largest of its row. It is the position in the
    last axis. There is a row of the table for each of `EXPONENTS`, between two for exponents out of
    range, as in `keras_alt.functions.tabulated`.
    """
    steps = np.arange(format.qmax - format.qmin + 1.0)
    x = np.stack([np.ldexp(scale * steps, exponent) for exponent in EXPONENTS])
    table = np.rint(np.ldexp(np.exp(-x), bits)).astype(np.int32)
    return np.pad(table, [(1, 1), (0, 0)], mode="edge")
