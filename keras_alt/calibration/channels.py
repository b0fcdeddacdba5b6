"""The thresholds of a constant: one for a kernel, or one for each of its channels."""

import numpy as np

from keras_alt.calibration.histogram import Histogram
from keras_alt.calibration.thresholds import ThresholdRule
from keras_alt.quantizer import Quantizer, checked_threshold

# A channel whose weights are below the step of a kernel of 8 bits adds less to a sum than the
# sum's own quantizer keeps. Its bias, in 32 bits, would not fit a grid as fine as its weights'.
OCTAVES = 10


def constant_thresholds(quantizer: Quantizer, values: np.ndarray, rule: ThresholdRule):
    """Return the thresholds that a rule chooses for a constant, in the shape of its quantizer's.

    Raises:
        ValueError: a value is not finite, or the rule gives no threshold.
    """
    shape, thresholds, alive = quantizer.log2_threshold.shape, [], []
    for channel in by_threshold(values, shape):
        histogram = Histogram()
        histogram.update(channel)
        thresholds.append(chosen_threshold(quantizer, histogram, rule))
        alive.append(histogram.max_abs >= quantizer.least_threshold)
    return within_spread(thresholds, alive).reshape(shape)


def chosen_threshold(quantizer: Quantizer, histogram: Histogram, rule: ThresholdRule) -> float:
    """Return the threshold that a rule chooses.

    Values so small that float32 has no grid for them count as zeros: the threshold is 1.

    Raises:
        ValueError: the rule gives no threshold.
    """
    chosen = checked_threshold(rule(histogram, quantizer.format), quantizer.name)
    return chosen if chosen >= quantizer.least_threshold else 1.0


def by_threshold(values: np.ndarray, shape: tuple) -> list[np.ndarray]:
    """Return the values that share a threshold, for each threshold in row-major order.

    Args:
        values: of a constant.
        shape: of its thresholds: () for one, else of the rank of `values` and of size 1 along the
            axes that share thresholds.
    """
    if not shape:
        return [values]
    shared = [axis for axis, size in enumerate(shape) if size == 1]
    apart = [axis for axis, size in enumerate(shape) if size != 1]
    return list(values.transpose(*apart, *shared).reshape(int(np.prod(shape)), -1))


def within_spread(thresholds: list[float], alive: list[bool]) -> np.ndarray:
    """Return thresholds that are at most `OCTAVES` octaves below the largest.

    Channels of zeros get the largest of the others: any threshold represents them, and the grids of
    their biases are then no coarser than others.

    Args:
        thresholds: one for each channel.
        alive: whether a channel has a value that is not zero.
    """
    thresholds, alive = np.array(thresholds, np.float64), np.array(alive, bool)
    if not alive.any():
        return thresholds
    largest = thresholds[alive].max()
    return np.where(alive, np.maximum(thresholds, largest * 2.0**-OCTAVES), largest)
