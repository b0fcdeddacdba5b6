"""The wires and vias of a routed net, and how to read them from a label image."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from keras_route.technology.layers import LAYERS, METALS, VIAS


@dataclasses.dataclass(frozen=True, slots=True)
class Wire:
    """A straight wire, one pixel wide, from pixel `(x0, y0)` to pixel `(x1, y1)`, both included.

    Args:
        layer: "m3", "m4", "m5" or "m6"; m4 and m6 run along x, m3 and m5 along y.
        x0: column of the left end.
        y0: row of the upper end.
        x1: column of the right end, `x0` or more.
        y1: row of the lower end, `y0` or more.

    Raises:
        ValueError: the layer does not exist, or the ends are in the wrong order.
    """

    layer: str
    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if self.layer not in METALS or self.x0 > self.x1 or self.y0 > self.y1:
            raise ValueError(
                f"A wire lies on one of {', '.join(METALS)}, and starts at its left or upper end. "
                f"Received: {self}"
            )

    def __str__(self) -> str:
        if not self.length:
            return f"{self.layer} at ({self.x0}, {self.y0})"
        return f"{self.layer} from ({self.x0}, {self.y0}) to ({self.x1}, {self.y1})"

    @property
    def length(self) -> int:
        """Distance between the centres of the end pixels; 0 for a wire of one pixel."""
        return self.x1 - self.x0 + self.y1 - self.y0

    def pixels(self) -> list[tuple[int, int]]:
        """Return `(x, y)` of each pixel, from the left or upper end to the other end."""
        columns, rows = range(self.x0, self.x1 + 1), range(self.y0, self.y1 + 1)
        return [(x, y) for x in columns for y in rows]


@dataclasses.dataclass(frozen=True, slots=True)
class Via:
    """A via at pixel `(x, y)`.

    Args:
        layer: "via3", "via4" or "via5".
        x: column.
        y: row, 0 at the top.

    Raises:
        ValueError: the layer does not exist.
    """

    layer: str
    x: int
    y: int

    def __post_init__(self) -> None:
        if self.layer not in VIAS:
            raise ValueError(f"A via lies on one of {', '.join(VIAS)}. Received: {self}")

    def __str__(self) -> str:
        return f"{self.layer} at ({self.x}, {self.y})"


def checked_labels(labels) -> np.ndarray:
    """Return a label image as booleans.

    Raises:
        ValueError: the shape is not (height, width, 8), or a value is neither 0 nor 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or labels.shape[-1] != len(LAYERS):
        raise ValueError(
            f"A label image has the shape (height, width, {len(LAYERS)}), one channel for each of "
            f"{', '.join(LAYERS)}: take one image of a batch, and move the channels last. "
            f"Received: labels of shape {labels.shape}"
        )
    on = labels != 0
    if not np.array_equal(on, labels):
        raise ValueError(
            "A label image holds zeros and ones: decide scores by `on > off` first. "
            f"Received: labels with values from {labels.min()} to {labels.max()}"
        )
    return on


def wires(labels: np.ndarray) -> Iterator[Wire]:
    """Yield a wire for each maximal run along the direction of its layer."""
    for metal in METALS.values():
        layer = labels[..., metal.channel]
        if metal.horizontal:
            for y, x0, x1 in _runs(layer):
                yield Wire(metal.name, x0, y, x1, y)
        else:
            for x, y0, y1 in _runs(layer.T):
                yield Wire(metal.name, x, y0, x, y1)


def _runs(mask):
    """Return (row, first, last) of each maximal run of ones along the rows of a mask."""
    rows, columns = mask.shape
    apart = np.zeros((rows, columns + 1), bool)  # a zero ends each row, and a run with it
    apart[:, :columns] = mask
    flat = apart.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.concatenate([[0], edges])
    row, first = np.divmod(edges[::2], columns + 1)
    last = first + (edges[1::2] - edges[::2]) - 1
    return zip(row.tolist(), first.tolist(), last.tolist(), strict=True)


def vias(labels: np.ndarray) -> Iterator[Via]:
    """Yield the vias, layer by layer and row by row."""
    for via in VIAS.values():
        rows, columns = np.nonzero(labels[..., via.channel])
        for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
            yield Via(via.name, x, y)
