"""The magnitudes and moments of a tensor, for calibration."""

import io
import math

import numpy as np

RAW_VALUES = 2**22  # up to so many values are kept as they are (16 MB)
BINS = 2**16
SQUARED = 2.0**60  # below it, the squares of float32 differences and their sums are finite
LOWEST_EXPONENT = -111  # the least for which BINS / 2**exponent is finite in float32


class Histogram:
    """Magnitudes and moments of a stream of values, in little memory.

    Up to `RAW_VALUES` values are kept as they are. After that, magnitudes are counted in `BINS`
    bins over [0, 2**k). If a value exceeds that range, the range doubles and neighbouring bins
    merge. Of the moments, three numbers are kept for each update. So neither counts nor moments
    depend on the order of the updates, or on how they were merged.

    Attributes:
        count: number of values.
        min_abs, max_abs: range of the magnitudes.
    """

    def __init__(self):
        self.count = 0
        self.min_abs = np.inf
        self.max_abs = 0.0
        self._moments = []  # of each update: count, mean, sum of squared deviations from the mean
        self._raw = []
        self._exponent = None  # bins span [0, 2**_exponent)
        self._counts = None

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return (
            math.fsum(n * mean for n, mean, _ in self._moments) / self.count if self.count else 0.0
        )

    @property
    def std(self) -> float:
        """Standard deviation of the values, as of a population."""
        if not self.count:
            return 0.0
        # Each sum is rounded once, so the order of its terms does not matter.
        middle = self.mean
        within = math.fsum(squares for _, _, squares in self._moments)
        between = math.fsum(n * (mean - middle) ** 2 for n, mean, _ in self._moments)
        return math.sqrt((within + between) / self.count)

    def update(self, values):
        """Add an array of any shape.

        Raises:
            ValueError: if it holds NaN or infinity; nothing is added then.
        """
        values = np.asarray(values, np.float32).ravel()
        if not values.size:
            return
        magnitudes = np.abs(values)
        largest = float(magnitudes.max())
        if not np.isfinite(largest):
            bad = values.size - int(np.isfinite(values).sum())
            raise ValueError(
                f"Values must be finite. Received: {bad} NaN or infinite values among {values.size}"
            )
        mean = float(values.mean(dtype=np.float64))
        # The variance of float32 deviations, summed in pairs, is exact to about 1e-7.
        deviations = values - np.float32(mean) if largest < SQUARED else values.astype(float) - mean
        squares = float(np.square(deviations).sum(dtype=np.float64))
        moments = [(values.size, mean, squares)]
        self._add_moments(values.size, moments, float(magnitudes.min()), largest)
        if self._raw is not None:
            self._raw.append(magnitudes)
            if self.count > RAW_VALUES:
                self._into_bins()
        else:
            self._count_in_bins(magnitudes)

    def merge(self, other: "Histogram"):
        """Add everything that `other` holds."""
        if not other.count:
            return
        self._add_moments(other.count, other._moments, other.min_abs, other.max_abs)
        if self._raw is not None and other._raw is not None:
            self._raw.extend(other._raw)
            if self.count > RAW_VALUES:
                self._into_bins()
            return
        self._into_bins()
        if other._raw is not None:
            for magnitudes in other._raw:
                self._count_in_bins(magnitudes)
        else:
            counts, exponent = other._counts, other._exponent
            self._widen(exponent)
            self._counts += _coarsened(counts, self._exponent - exponent)

    def magnitudes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return `(values, counts)`: every magnitude with count 1, or the centres of the bins."""
        if self._raw is not None:
            values = np.concatenate(self._raw) if self._raw else np.zeros(0, np.float32)
            self._raw = [values]
            return values, np.ones(len(values))
        width = 2.0**self._exponent / BINS
        used = np.flatnonzero(self._counts)
        return np.minimum((used + 0.5) * width, self.max_abs), self._counts[used]

    def number_of_bins(self) -> int:
        """Return how many bins NumPy's square-root rule puts over [0, max_abs].

        As in `np.histogram(abs(x), bins="sqrt", range=(0, max))`, a bin is
        (max - min) / sqrt(count) wide.
        """
        spread = self.max_abs - self.min_abs
        return int(np.ceil(self.max_abs / (spread / np.sqrt(self.count)))) if spread else 1

    def bins(self, number: int) -> np.ndarray:
        """Return the counts of the magnitudes in equal bins of [0, max_abs]."""
        values, counts = self.magnitudes()
        weights = None if self._raw is not None else counts
        return np.histogram(values, number, (0.0, self.max_abs), weights=weights)[0]

    def to_bytes(self) -> bytes:
        """Return everything the histogram holds, for `from_bytes` in another process."""
        file, magnitudes = io.BytesIO(), {}
        if self._raw is None:
            magnitudes = {"counts": self._counts, "exponent": self._exponent}
        else:
            magnitudes = {"raw": self.magnitudes()[0]}
        moments = np.array(self._moments, np.float64).reshape(-1, 3)  # counts are exact to 2**53
        np.savez(file, moments=moments, range=[self.min_abs, self.max_abs], **magnitudes)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Histogram":
        """Return the histogram that `to_bytes` wrote."""
        result = cls()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            result._moments = [(int(n), float(m), float(s)) for n, m, s in arrays["moments"]]
            result.count = sum(n for n, _, _ in result._moments)
            result.min_abs, result.max_abs = map(float, arrays["range"])
            if "raw" in arrays:
                result._raw = [arrays["raw"]]
            else:
                result._raw = None
                result._counts, result._exponent = arrays["counts"], int(arrays["exponent"])
        return result

    def _add_moments(self, count, moments, smallest, largest):
        self._moments.extend(moments)
        self.count += count
        self.min_abs = min(self.min_abs, smallest)
        self.max_abs = max(self.max_abs, largest)

    def _into_bins(self):
        if self._raw is None:
            return
        raw, self._raw = self._raw, None
        for magnitudes in raw:
            self._count_in_bins(magnitudes)

    def _count_in_bins(self, magnitudes):
        largest = float(magnitudes.max())
        exponent = int(np.floor(np.log2(largest))) + 1 if largest else LOWEST_EXPONENT
        self._widen(max(exponent, LOWEST_EXPONENT))
        # A product with a power of two is exact, so equal values always share a bin.
        indices = (magnitudes * np.float32(BINS / 2.0**self._exponent)).astype(np.int64)
        self._counts += np.bincount(indices, minlength=BINS)

    def _widen(self, exponent):
        if self._exponent is None:
            self._exponent, self._counts = exponent, np.zeros(BINS, np.int64)
        elif exponent > self._exponent:
            self._counts = _coarsened(self._counts, exponent - self._exponent)
            self._exponent = exponent


def _coarsened(counts, octaves):
    for _ in range(min(octaves, BINS.bit_length())):
        merged = counts.reshape(-1, 2).sum(axis=1)
        counts = np.concatenate([merged, np.zeros(BINS // 2, np.int64)])
    return counts
