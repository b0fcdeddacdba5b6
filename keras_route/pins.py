"""The pins of nets, in the one form that the functions of this package pass on.

The pins of one net are a *pin array*: integers (n, 2), a row `(x, y)` for each pin, in pixels, with
y = 0 at the top. The pins of many nets are a `PinSets`, and iterating over it gives pin arrays.
Users give lists or images instead; `checked_pins` and `pins_of` convert those. `Net.pins` is a
tuple of tuples, because a net can be compared and hashed; `Net.pin_array` converts it back.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

HELD_OUT_BITS = 3
HELD_OUT_SHARE = 1 / 2**HELD_OUT_BITS  # of all pin sets, for validation


@dataclasses.dataclass(frozen=True)
class PinSets:
    """The pins of many nets, one net after the other.

    Args:
        x: (P,) integers, the columns of all pins; those of the first net come first.
        y: (P,) integers, their rows, 0 at the top.
        counts: (N,) integers, the number of pins of each net, at least one.
    """

    x: np.ndarray
    y: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, nets: Iterable[np.ndarray]) -> "PinSets":
        """Return the nets of these pin arrays."""
        arrays = [np.asarray(net, np.int64).reshape(-1, 2) for net in nets]
        x, y = np.concatenate([np.empty((0, 2), np.int64), *arrays]).T
        return cls(x, y, np.array([len(array) for array in arrays], np.int64))

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the pin array of each net."""
        pairs = np.stack([self.x, self.y], axis=1)
        stops = np.cumsum(self.counts)
        for start, stop in zip(stops - self.counts, stops, strict=True):
            yield pairs[start:stop]

    @property
    def net(self) -> np.ndarray:
        """(P,) integers: the index of each pin's net."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def first(self) -> np.ndarray:
        """(N,) integers: the index of each net's first pin."""
        return np.cumsum(self.counts) - self.counts

    def reduce(self, function: np.ufunc, values: np.ndarray) -> np.ndarray:
        """Return (N,) values: a NumPy ufunc joins the values of each net's pins, (P,)."""
        return function.reduceat(values, self.first) if len(self) else values[:0]

    def extent(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and the largest of the pins' values for each net."""
        return self.reduce(np.minimum, values), self.reduce(np.maximum, values)

    def select(self, chosen: np.ndarray) -> "PinSets":
        """Return the nets for which `chosen`, (N,) booleans, is true."""
        pins = np.repeat(chosen, self.counts)
        return PinSets(self.x[pins], self.y[pins], self.counts[chosen])

    def part(self, start: int, stop: int) -> "PinSets":
        """Return the nets from `start` up to `stop`, as a slice of a list does."""
        counts = self.counts[start:stop]
        first = int(self.counts[:start].sum())
        pins = slice(first, first + int(counts.sum()))
        return PinSets(self.x[pins], self.y[pins], counts)

    def distinct(self) -> "PinSets":
        """Return the nets without repeated pins, the pins of each sorted by row and column."""
        if not len(self):
            return self
        columns, rows = int(self.x.max()) + 1, int(self.y.max()) + 1
        pins = np.unique((self.net * rows + self.y) * columns + self.x)
        net, cells = np.divmod(pins, rows * columns)
        y, x = np.divmod(cells, columns)
        return PinSets(x, y, np.bincount(net, minlength=len(self)))

    def held_out(self) -> np.ndarray:
        """Return (N,) booleans: which nets are for validation only.

        A hash of the set of pins decides. It ignores their order, repetitions and window, so no
        image of pins is ever on both sides.
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


def pins_of(images: np.ndarray) -> PinSets:
    """Return the pins that images show, those of each image row by row.

    Args:
        images: array (N, height, width, 1) of zeros and ones.

    Raises:
        ValueError: `images` has another shape or other values.
    """
    if images.shape[-1] != 1 or not np.isin(images, (0, 1)).all():
        raise ValueError(
            "Images of pins have the shape (N, height, width, 1) and hold zeros and ones. "
            f"Received: pins of shape {images.shape} with values from {images.min()} to "
            f"{images.max()}"
        )
    net, y, x = np.nonzero(images[..., 0])
    return PinSets(x, y, np.bincount(net, minlength=len(images)))


def checked_pins(pins, height: int, width: int) -> np.ndarray:
    """Check the pins of one net that a user gives, and return them as a pin array.

    Args:
        pins: (n, 2) integers `(x, y)`, two or more, not all the same.
        height: rows of the window.
        width: columns of the window.

    Raises:
        TypeError: coordinates are not integers.
        ValueError: the shape is another one, fewer than two pins differ, or a pin lies outside the
            window.
    """
    array = checked_places(pins, height, width)
    if not needs_wires(array):
        raise ValueError(
            "A net needs at least two pins in different places; leave out nets without wires. "
            f"Received: pins={pins}"
        )
    return array


def needs_wires(pins: np.ndarray) -> bool:
    """Return whether the pins of a pin array lie in different places."""
    return bool((pins != pins[0]).any())


def checked_places(pins, height: int, width: int) -> np.ndarray:
    """Check that the pins of one net are pixels of the window, and return them as a pin array.

    Args:
        pins: (n, 2) integers `(x, y)`, one or more.
        height: rows of the window.
        width: columns of the window.

    Raises:
        TypeError: coordinates are not integers.
        ValueError: the shape is another one, or a pin lies outside the window.
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
    if not len(array):
        raise ValueError(f"A net must have a pin: leave out empty nets. Received: pins={pins}")
    outside = array[((array < 0) | (array >= (width, height))).any(axis=1)]
    if len(outside):
        raise ValueError(
            f"Pins must lie in the window, 0 <= x < {width} and 0 <= y < {height}: move them or "
            f"enlarge the window. Received: pins={pins}, outside={outside.tolist()}"
        )
    return array.astype(np.int64)


def without_repeats(pins: np.ndarray) -> np.ndarray:
    """Return a pin array with each pin once, in the order of its first appearance."""
    return np.array(list(dict.fromkeys(map(tuple, pins.tolist()))), pins.dtype)


def _mix(code):
    """Return a bijective hash of 64-bit integers: the finalizer of splitmix64 (Steele, 2014)."""
    code = code + np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))
