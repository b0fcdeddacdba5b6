"""The pins of nets, of one and of many."""

import dataclasses

import numpy as np

HELD_OUT_BITS = 3
HELD_OUT_SHARE = 1 / 2**HELD_OUT_BITS  # of all pin sets, for validation


@dataclasses.dataclass(frozen=True)
class PinSets:
    """The pins of many nets, one behind the other.

    Args:
        x: (P,) integers, the columns of all pins; those of the first net come first.
        y: (P,) integers, their rows, 0 at the top.
        counts: (N,) integers, how many pins each net has, at least one.
    """

    x: np.ndarray
    y: np.ndarray
    counts: np.ndarray

    def __len__(self):
        return len(self.counts)

    @property
    def net(self):
        """(P,) integers: which net each pin belongs to."""
        return np.repeat(np.arange(len(self)), self.counts)

    def reduce(self, function, values):
        """Return (N,) values: those of the pins, (P,), joined for each net by a NumPy ufunc."""
        starts = np.cumsum(self.counts) - self.counts
        return function.reduceat(values, starts) if len(self) else values[:0]

    def extent(self, values):
        """Return the smallest and the largest of the pins' values for each net."""
        return self.reduce(np.minimum, values), self.reduce(np.maximum, values)

    def select(self, chosen):
        """Return the nets for which `chosen`, (N,) booleans, is true."""
        pins = np.repeat(chosen, self.counts)
        return PinSets(self.x[pins], self.y[pins], self.counts[chosen])

    def head(self, count: int):
        """Return the first nets, `count` of them or all."""
        counts = self.counts[:count]
        pins = int(counts.sum())
        return PinSets(self.x[:pins], self.y[:pins], counts)

    def distinct(self):
        """Return the nets without repeated pins, the pins of each sorted by row and column."""
        if not len(self):
            return self
        columns, rows = int(self.x.max()) + 1, int(self.y.max()) + 1
        pins = np.unique((self.net * rows + self.y) * columns + self.x)
        net, cells = np.divmod(pins, rows * columns)
        y, x = np.divmod(cells, columns)
        return PinSets(x, y, np.bincount(net, minlength=len(self)))

    def held_out(self):
        """Return (N,) booleans: which nets are for validation only.

        A hash of the pins as a set decides, whatever their order, repetitions or window, so that
        no image of pins is ever on both sides.
        """
        pins = self.distinct()
        code = (pins.y.astype(np.uint64) << np.uint64(32)) | pins.x.astype(np.uint64)
        mixed = _mix(pins.reduce(np.add, _mix(code)))
        return mixed >> np.uint64(64 - HELD_OUT_BITS) == 0


def join(parts: list[PinSets]) -> PinSets:
    """Return the nets of all parts, in order."""
    return PinSets(
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
    )


def pins_of(images) -> list[np.ndarray]:
    """Return the pins that images show, (n, 2) integers `(x, y)` of each, row by row.

    Args:
        images: array (N, height, width, 1) of zeros and ones.

    Raises:
        ValueError: another shape, or other values.
    """
    if images.shape[-1] != 1 or not np.isin(images, (0, 1)).all():
        raise ValueError(
            "Images of pins have the shape (N, height, width, 1) and hold zeros and ones. "
            f"Received: pins of shape {images.shape} with values from {images.min()} to "
            f"{images.max()}"
        )
    return [np.argwhere(image)[:, ::-1] for image in images[..., 0]]


def one_net(pins, height: int, width: int) -> PinSets:
    """Check the pins of one net and return them.

    Args:
        pins: (n, 2) integers `(x, y)`, two or more, not all the same.
        height: rows of the window.
        width: columns of the window.

    Raises:
        TypeError: coordinates that are not integers.
        ValueError: another shape, fewer than two distinct pins, or pins outside the window.
    """
    try:
        array = np.asarray(pins)
    except ValueError as error:
        raise ValueError(
            f"`pins` must be a list of (x, y) pairs, each of two integers. Received: pins={pins}"
        ) from error
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            "`pins` must be a list of (x, y) pairs, of shape (n, 2). "
            f"Received: pins={pins} of shape {array.shape}"
        )
    if array.dtype.kind not in "iu":
        raise TypeError(
            "`pins` must be integer pixels; round coordinates to the grid first, e.g. by "
            f"`np.rint(um / um_per_px).astype(int)`. Received: pins={pins} of {array.dtype}"
        )
    if len(array) < 2 or (array == array[0]).all():
        raise ValueError(
            "A net needs at least two pins in different places; leave out nets without wires. "
            f"Received: pins={pins}"
        )
    outside = array[((array < 0) | (array >= (width, height))).any(axis=1)]
    if len(outside):
        raise ValueError(
            f"Pins must lie in the window, 0 <= x < {width} and 0 <= y < {height}: move them or "
            f"enlarge the window. Received: pins={pins}, outside={outside.tolist()}"
        )
    array = array.astype(np.int64)
    return PinSets(array[:, 0], array[:, 1], np.array([len(array)]))


def _mix(code):
    """Return a bijective hash of 64-bit integers: the finalizer of splitmix64 (Steele, 2014)."""
    code = code + np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))
