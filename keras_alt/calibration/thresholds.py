"""Rules that choose the clipping threshold of a tensor from its histogram."""

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_alt.calibration.histogram import Histogram
from keras_alt.formats import FixedPoint
from keras_alt.number_checks import real_number

CANDIDATES_AT_ONCE = 64  # rows of about a thousand bins: the working set fits the cache
MOST_BINS = 2048  # the search is quadratic in the bins; the paper's 50 images rarely give more


class ThresholdRule(Protocol):
    """Chooses the clipping threshold of a tensor: what `keras_alt.calibrate` takes as an argument.

    Any function of this signature is a rule:

    ```python
    def half_of_maximum(histogram, format):
        return 0.5 * histogram.max_abs if histogram.max_abs else 1.0

    keras_alt.calibrate(model, data, activations=half_of_maximum)
    ```
    """

    def __call__(self, histogram: Histogram, format: FixedPoint) -> float:
        """Return a threshold, positive and finite, in the units of the tensor.

        Args:
            histogram: of the tensor's values; its `max_abs` is 0 for an all-zero tensor.
            format: of the tensor's codes.
        """


def rule(function: ThresholdRule) -> ThresholdRule:
    """Decorate a rule for histograms with a value that is not zero, so that it takes all.

    An empty histogram is an error. An all-zero tensor gets 1.0: any threshold represents zeros
    exactly, and log2(0) is not finite.
    """

    @functools.wraps(function)
    def checked(histogram: Histogram, format: FixedPoint) -> float:
        if not histogram.count:
            raise ValueError("A threshold needs at least one value. Received: none.")
        return float(function(histogram, format)) if histogram.max_abs > 0 else 1.0

    return checked


def require_rule(argument: str, given: ThresholdRule):
    """Check that the argument called so is a rule.

    Raises:
        TypeError: it is no function.
    """
    if not callable(given):
        raise TypeError(
            f"`{argument}` must be a rule, such as `keras_alt.calibration.maximum` or "
            "`percentile(99.9)`, or any function `(Histogram, FixedPoint) -> threshold`. "
            f"Received: {argument}={given!r}"
        )


@rule
def maximum(histogram, format):
    """Return `max|x|` (MAX in the paper). If it is a power of two, the largest value saturates."""
    return histogram.max_abs


@rule
def three_sigma(histogram, format):
    """Return `|mean| + 3 * std`, of the population (3SD in the paper)."""
    return abs(histogram.mean) + 3.0 * histogram.std


@dataclass(frozen=True)
class percentile:  # noqa: N801 - a rule like the others, with one parameter
    """Rule: the magnitude below which `p` percent of the values lie.

    Args:
        p: above 0, at most 100.
    """

    p: float

    def __post_init__(self):
        real_number("p", self.p, "above 0 and at most 100", lambda p: 0 < p <= 100)

    def __call__(self, histogram: Histogram, format: FixedPoint) -> float:
        return rule(self._of_magnitudes)(histogram, format)

    def _of_magnitudes(self, histogram, format):
        values, counts = histogram.magnitudes()
        order = np.argsort(values)
        share = np.cumsum(counts[order]) / histogram.count
        position = min(np.searchsorted(share, self.p / 100.0 - 1e-12), len(order) - 1)
        value = values[order][position]
        return value if value > 0 else histogram.max_abs


@rule
def kl_j(histogram, format):
    """Return the threshold of least Kullback-Leibler-J divergence between distributions.

    The cumulative distribution, clipped at a candidate, is compared with itself quantized to
    `format.levels` points (Settle et al., 2018, arXiv 1805.07941, algorithm 1). At most `MOST_BINS`
    bins are searched. If there are fewer bins than codes, the threshold is max|x|: below 16,385
    values in signed 8 bit, and always in 16 bit.
    """
    n = format.levels
    bins = min(histogram.number_of_bins(), MOST_BINS)
    if bins < n + 1:
        return histogram.max_abs
    counts = histogram.bins(bins).astype(np.float64)
    cdf = np.cumsum(counts / counts.sum())
    candidates = np.arange(n + 1, len(counts) + 1)
    chunks = np.array_split(candidates, -(-len(candidates) // CANDIDATES_AT_ONCE))
    divergence = np.concatenate([_divergences(cdf, chunk, n) for chunk in chunks])
    return (candidates[np.argmin(divergence)] + 0.5) * histogram.max_abs / len(counts)


def _divergences(cdf, candidates, n):
    """Return sum((cdf - Q) * log2(cdf / Q)) for each candidate number of bins, ascending."""
    i = candidates[:, None]
    columns = int(candidates[-1])
    rows = np.arange(len(candidates))[:, None]
    # Q at n points among the first i bins; the clipped cdf is 1 from bin i - 1 on.
    points = np.arange(n) * ((i - 1) / (n - 1))
    low = np.minimum(points.astype(np.int32), i - 2)
    right = np.where(low + 1 >= i - 1, 1.0, cdf[low + 1])
    coarse = cdf[low]
    coarse += (points - low) * (right - coarse)
    # And back at the i bins.
    position = np.arange(columns) * ((n - 1) / (i - 1))
    low = np.minimum(position.astype(np.int32), n - 2)
    position -= low
    low += rows.astype(np.int32) * n
    flat = coarse.ravel()
    q = flat[low]
    low += 1
    q += position * (flat[low] - q)
    q[np.arange(columns) >= i] = 1.0
    return _divergence_sum(cdf, q, columns)


def _divergence_sum(cdf, q, columns):
    counted = np.flatnonzero(cdf)
    first = counted[0]  # a cdf is zero only before its first value
    p, q = cdf[first:columns], q[:, first:]
    beyond = cdf[max(columns, first) :]
    with np.errstate(divide="ignore"):
        log = np.log2(q)
        np.subtract(np.log2(p), log, out=log)
        np.subtract(p, q, out=q)
        np.multiply(log, q, out=log)
    # Beyond the clipped bins Q is 1.
    return log.sum(axis=1) + float(((beyond - 1.0) * np.log2(beyond)).sum())


@rule
def mse(histogram, format):
    """Return the threshold whose grid has the least mean squared error.

    The grid depends only on the octave of the threshold. The threshold is max|x| if that lies in
    the best octave, else the upper end of that octave.
    """
    values, counts = histogram.magnitudes()
    highest = int(np.ceil(np.log2(histogram.max_abs)))
    best, least = highest, np.inf
    for exponent in range(highest, highest - format.bits - 8, -1):
        scale = 2.0**exponent / format.levels
        codes = np.minimum(np.rint(values / scale), format.qmax)
        error = float(np.dot(counts, np.square(codes * scale - values)))
        if error >= least:
            break
        best, least = exponent, error
    return min(2.0**best, histogram.max_abs)
