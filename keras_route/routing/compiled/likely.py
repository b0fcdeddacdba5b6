"""The pixels of a window that scores hold likely."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def mark_likely(log_odds, channels, blocked, threshold, x, y, free, usable):
    """Set `free`, and `usable` to what is likely and free, with the stacks above the pins.

    Args:
        log_odds: (height, width, layers); NaN counts as unlikely.
        channels: (4,) channels of the metals.
        blocked: booleans (height, width, 4).
        threshold: log-odds above which pixels are likely; -inf for all pixels.
        x, y: of the pins.
        free, usable: booleans (4, height, width), changed in place.

    Returns:
        The number of likely pixels and those of the stacks, free or not.
    """
    metals, height, width = usable.shape
    everything = threshold == -np.inf
    size = 0
    for row in range(height):
        for column in range(width):
            for k in range(metals):
                free[k, row, column] = not blocked[row, column, k]
                likely = everything or log_odds[row, column, channels[k]] > threshold
                usable[k, row, column] = likely
                size += likely
    for pin in range(len(x)):
        for k in range(metals):
            size += not usable[k, y[pin], x[pin]]
            usable[k, y[pin], x[pin]] = True
    for k in range(metals):
        for row in range(height):
            for column in range(width):
                usable[k, row, column] &= free[k, row, column]
    return size
