"""What tests of the C functions of quantizers share: odd values, and the comparison of bits."""

import numpy as np

from keras_alt.formats import FixedPoint

FORMATS = [
    FixedPoint(8),
    FixedPoint(8, narrow=True),
    FixedPoint(8, signed=False),
    FixedPoint(2),
    FixedPoint(16),
    FixedPoint(32),
]
# The scales of 8 signed bits at -130 and -141 are not normal numbers: the second has no reciprocal.
# TensorFlow's threads read both as zero, as do those of its operators.
THRESHOLDS = [7.0, 0.3, -3.7, -118.9, -130.0, -141.0, 127.0, np.nan, np.inf, -np.inf]
# Of a tensor and of the thresholds of its channels.
SHAPES = [
    ((3, 3, 5, 8), (1, 1, 1, 8)),
    ((3, 3, 5, 2), (1, 1, 5, 2)),
    ((3, 3, 8, 5), (1, 1, 8, 1)),
    ((5, 3), (5, 3)),
    ((3, 3, 5, 8), (1, 1, 1, 1)),
    ((3, 4, 5), (3, 1, 5)),  # for which there is the closed form
]


def values(rng, log2_threshold):
    """Return values around the threshold, ties of all signs, and what is no usual number."""
    step = np.float32(2.0 ** (np.ceil(log2_threshold) - 7)) if np.isfinite(log2_threshold) else 1
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 6.0, 0.5, -0.5]
    ties = np.arange(-600, 601) / np.float32(2) * step
    with np.errstate(over="ignore"):
        drawn = rng.normal(0, 150, 700).astype("float32") * step
        return np.concatenate([odd, ties, drawn, ties - drawn[0]]).astype("float32")


def bits(array):
    """Return the bits of floats, those of every NaN alike."""
    found = np.array(array).view("int32")
    found[np.isnan(found.view("float32"))] = 0
    return found


def assert_close(found, expected, shares):
    """Gradients of a threshold may differ by the order of additions."""
    found, expected = np.array(found, "float64"), np.array(expected, "float64")
    tolerance = 1e-6 * np.nan_to_num(np.abs(np.array(shares, "float64"))).sum() + 1e-37
    assert np.allclose(found, expected, rtol=1e-5, atol=tolerance, equal_nan=True)
