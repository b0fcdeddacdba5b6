"""How well the codes of each quantizer fit the values that it sees."""

import math

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.batches import read_batches
from keras_alt.formats import FixedPoint
from keras_alt.number_checks import require_finite
from keras_alt.quantizer import Quantizer, claimed, observed

SPAN = 4  # the bins go from -SPAN to SPAN clipping limits; further values count at the ends
BINS = 2048


class Fit:
    """Sums of the error of a quantizer over the values that it saw, and their histogram.

    A value is counted in units of the clipping limit of its channel, the power of two that the
    threshold is rounded up to. So one pass is enough, and the codes span -1..1, or 0..1 if they
    have no sign.

    Args:
        format: of the codes.

    Attributes:
        count: number of values.
        clipped: number of those outside the range of the codes.
        counts: number of values in each of `BINS` equal bins from -SPAN to SPAN.
        clipped_counts: number of clipped values in each of them.
        lowest, highest: ends of the values, in the same units.
    """

    def __init__(self, format: FixedPoint):
        self.format = format
        self.count = self.clipped = 0
        self.counts = np.zeros(BINS, np.int64)
        self.clipped_counts = np.zeros(BINS, np.int64)
        self.lowest, self.highest = math.inf, -math.inf
        self._signal = self._noise = self._shift = 0.0

    def add(self, quantizer: Quantizer, values):
        """Add an array that the quantizer rounds."""
        values = np.asarray(ops.convert_to_numpy(values), np.float64)
        if not values.size:
            return
        require_finite(values, f"The values at quantizer '{quantizer.name}'")
        format, scale = self.format, 2.0**quantizer.exponent
        steps = values / scale
        rounded = np.rint(steps)
        codes = np.clip(rounded, format.qmin, format.qmax)
        self.count += values.size
        is_clipped = rounded != codes
        self.clipped += int(is_clipped.sum())
        self._signal += float(np.square(values).sum())
        self._noise += float(np.square(codes * scale - values).sum())
        self._shift += float((codes - steps).sum())
        self._count(steps / format.levels, is_clipped)

    def _count(self, units, is_clipped):
        bins = np.floor((units + SPAN) * (BINS / (2 * SPAN)))
        bins = np.clip(bins, 0, BINS - 1).astype(np.int64)
        self.counts += np.bincount(bins.ravel(), minlength=BINS)
        self.clipped_counts += np.bincount(bins[is_clipped], minlength=BINS)
        self.lowest = min(self.lowest, float(units.min()))
        self.highest = max(self.highest, float(units.max()))

    def ends(self) -> tuple[float, float]:
        """Return the ends of the values that are not clipped, in clipping limits."""
        format = self.format
        return (format.qmin - 0.5) / format.levels, (format.qmax + 0.5) / format.levels

    def clipped_share(self) -> float | None:
        """Return the share of the values that are clipped, from 0 to 1."""
        return self.clipped / self.count if self.count else None

    def shift(self) -> float | None:
        """Return the mean of code minus value, in steps of the grid."""
        return self._shift / self.count if self.count else None

    def sqnr_db(self) -> float | None:
        """Return the signal-to-quantization-noise ratio; None if all values are zero."""
        if not self._signal:
            return None
        return math.inf if not self._noise else 10.0 * math.log10(self._signal / self._noise)


def fits_of(
    model: keras.Model, found: dict[str, Quantizer], data, samples: int
) -> tuple[dict[Quantizer, Fit], int | None]:
    """Return a `Fit` for each calibrated quantizer that sees values.

    A constant such as a kernel is seen once, whatever the data.

    Args:
        model: functional.
        found: its quantizers by name.
        data: as for `keras_alt.calibrate`; None for constants only.
        samples: number of samples of `data` to read.

    Returns:
        `{quantizer: Fit}`, and how many samples of `data` there were; None without data.
    """
    seen = {}

    def observer(quantizer, values):
        seen.setdefault(quantizer, Fit(quantizer.format)).add(quantizer, values)

    for layer in model.layers:
        for quantizer, values in layer.constants() if hasattr(layer, "constants") else ():
            if quantizer.calibrated:
                observer(quantizer, values)
    if data is None:
        return seen, None
    watched = [q for q in found.values() if q.calibrated and q not in seen]
    batches = read_batches(model, data, samples, batch_size=32)
    with claimed(watched, "report"), observed(watched, observer):
        for arrays in batches:
            model(keras.tree.pack_sequence_as(model.input, arrays), training=False)
    return seen, sum(len(arrays[0]) for arrays in batches)
