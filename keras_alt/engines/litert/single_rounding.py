"""Kernels that every engine of a LiteRT file rounds once, because none of their sums is a tie.

TFLM and the reference kernels multiply a sum by a number of 31 bits and round, then shift and round
again. A ratio of scales of 2**-k gives the multiplier 2**30, so the first rounding halves the sum.
A ratio that is smaller by a digit of float32 gives nearly 2**31, which keeps the sum as it is: the
engine rounds once, half away from zero. If weights are even and biases odd, sums are odd, and none
is a tie of k >= 2 bits. So the digit changes no code of an engine that rounds once anyway.
"""

import numpy as np

FACTOR = 1.0 - 2.0**-24  # the number below 1 in float32
SHIFTS = range(
    2, 15
)  # of float32's 24 digits, 8 are those of a code, and one tells a sum from a tie


def rounds_once(kernel: np.ndarray, bias: np.ndarray | None, shift: int) -> bool:
    """Return whether the scale of a kernel can be smaller by a digit without changing a code.

    Args:
        kernel, bias: their codes; the bias is None if there is none.
        shift: by how many bits the sums are shifted to the right.
    """
    if bias is None or shift not in SHIFTS:
        return False
    return bool(np.all(kernel % 2 == 0) and np.all(bias % 2 == 1))
