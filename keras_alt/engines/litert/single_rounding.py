"""Kernels that every engine of a LiteRT file rounds once, because none of their sums is a tie.

TFLM and the reference kernels multiply a sum by a number of 31 bits and round, then shift and round
again. A ratio of scales of 2**-k gives the multiplier 2**30, so the first rounding halves the sum.
A ratio that is smaller by a digit of float32 gives nearly 2**31, which keeps the sum as it is: the
engine rounds once, half away from zero. If weights are even and biases odd, sums are odd, and none
is a tie of k >= 2 bits. So the digit changes no code of an engine that rounds once anyway.
"""

import numpy as np

FACTOR = 1.0 - 2.0**-24  # the number below 1 in float32
# Of float32's 24 digits, 8 are those of a code, and one tells a sum from a tie.
SHIFTS = range(2, 15)


def factors(
    kernel: np.ndarray, axis: int, bias: np.ndarray, shifts: int | np.ndarray
) -> np.ndarray:
    """Return factors for the scales of a kernel's channels, 1 where a sum may be a tie.

    All weights must be even, as `keras_alt.settle` makes them. One scale for all channels is
    lowered only if no channel has a tie. With a scale for each channel, those with ties keep
    theirs: a bias of more digits than float32 has cannot be odd.

    Args:
        kernel, bias: their codes.
        axis: of the kernel, along which the channels lie.
        shifts: by how many bits sums are shifted to the right; an array if each channel has a
            scale.
    """
    has_no_tie = (bias % 2 == 1) | (np.asarray(shifts) < SHIFTS[0])
    if np.ndim(shifts) == 0:
        has_no_tie = np.all(has_no_tie)
    lowered = np.isin(shifts, SHIFTS) & np.all(kernel % 2 == 0) & has_no_tie
    return np.where(lowered, FACTOR, np.ones(kernel.shape[axis]))
