"""The tracks of a whole chip: where its pins meet them, and which nets take them."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from keras_route.formats.nanometres import NM_PER_UM, WIRE_NM
from keras_route.layout.net import Net

WIRE_UM = WIRE_NM / NM_PER_UM


@dataclasses.dataclass(frozen=True)
class Grid:
    """The tracks of a chip, within a square of pixels whose row 0 is at the top.

    Windows of a chip are square, and so is what they are cut from: of a die that is not, the lower
    left corner of the square holds the tracks, and nothing may lie beyond them.

    Args:
        columns: tracks upwards, in the left columns of the square.
        rows: tracks across, in its lower rows.
        um_per_px: micrometres of a pixel, the pitch of the tracks.
        left_um: x of the left edge.
        bottom_um: y of the lower edge, y upwards.

    Raises:
        ValueError: wires on neighbouring tracks would come closer than they are wide.
    """

    columns: int
    rows: int
    um_per_px: float
    left_um: float = 0.0
    bottom_um: float = 0.0

    def __post_init__(self):
        _require_space(self.um_per_px)

    @classmethod
    def over(cls, die_um: Sequence[float], um_per_px: float) -> "Grid":
        """Return the tracks of a die, centred: as many as have their whole wires on it.

        Args:
            die_um: (left, bottom, right, top).
            um_per_px: the pitch.

        Raises:
            ValueError: a pitch that is too small, or a die that is narrower than a wire.
        """
        left, bottom, right, top = (float(edge) for edge in die_um)
        sides = np.array([right - left, top - bottom])
        if not (np.isfinite(sides).all() and (sides > WIRE_UM).all()):
            raise ValueError(
                "A die is given as left, bottom, right and top in micrometres, and wider than "
                f"a wire. Received: die_um={tuple(die_um)}"
            )
        _require_space(um_per_px)
        columns, rows = (np.floor((sides - WIRE_UM) / um_per_px).astype(int) + 1).tolist()
        margin = (sides - np.multiply((columns, rows), um_per_px)) / 2
        return cls(columns, rows, um_per_px, left + margin[0], bottom + margin[1])

    @property
    def size(self) -> int:
        """Pixels of a side of the square."""
        return max(self.columns, self.rows)

    @property
    def first(self) -> tuple[int, int]:
        """Pixel (x, y) of the upper left corner of the tracks."""
        return 0, self.size - self.rows

    @property
    def last(self) -> tuple[int, int]:
        """Pixel (x, y) of the lower right corner of the tracks."""
        return self.columns - 1, self.size - 1

    def on_tracks(self, places: np.ndarray) -> np.ndarray:
        """Return which pixels (..., 2) of the square, or around it, lie on the tracks."""
        return ((places >= self.first) & (places <= self.last)).all(axis=-1)

    @property
    def beyond(self) -> np.ndarray:
        """Pixels of the square beyond the tracks: bool array (size, size)."""
        y, x = np.indices((self.size, self.size))
        return ~self.on_tracks(np.stack([x, y], axis=-1))

    def pixels(self, position_um) -> np.ndarray:
        """Return positions (P, 2) in micrometres as float pixels; pixel k reaches from k to k + 1.

        Raises:
            ValueError: positions more than half a pixel beyond the tracks, as none on a die is.
        """
        position_um = np.asarray(position_um, float)
        corner = np.array([self.left_um, self.bottom_um])
        x, y = ((position_um - corner) / self.um_per_px).T
        pixels = np.stack([x, self.size - y], axis=1)
        near = np.clip(pixels, np.subtract(self.first, 0.5), np.add(self.last, 1.5))
        outside = (near != pixels).any(axis=1)
        if outside.any():
            raise ValueError(
                "Pins lie on the die; x and y are micrometres, y upwards. Received: pins at "
                f"{position_um[outside][:3].tolist()}, outside of {self}"
            )
        return pixels

    def window(self, pins: np.ndarray, side: int) -> tuple[int, int]:
        """Return the left column and the upper row of a window in the grid, centred on pins."""
        centre = (pins.min(axis=0) + pins.max(axis=0) + 1) // 2
        x, y = np.clip(centre - side // 2, 0, self.size - side)
        return int(x), int(y)

    def corner_um(self, placed: "Placed") -> tuple[float, float]:
        """Return the lower left corner of a net's window in micrometres, y upwards."""
        rows_below = self.size - placed.y - placed.net.height
        return (
            self.left_um + placed.x * self.um_per_px,
            self.bottom_um + rows_below * self.um_per_px,
        )


@dataclasses.dataclass(frozen=True)
class Placed:
    """A net at its place on a grid.

    Args:
        net: the net, in its window.
        x: column of the grid where the window starts.
        y: row of the grid where the window starts.
    """

    net: Net
    x: int
    y: int


def access_points(pixels: np.ndarray, nets: np.ndarray, grid: Grid) -> np.ndarray:
    """Return for each pin the pixel where it meets the tracks, which no other net's pin has.

    Pins closer to each other than a pitch fall on one pixel. The nearest pin keeps it; the others
    take the nearest free one of its eight neighbours, which a jog on m2 would have to reach.

    Args:
        pixels: positions (P, 2) in pixels, as floats.
        nets: (P,) integers, the net of each pin.
        grid: the tracks.

    Returns:
        (P, 2) integers; -1 for a pin that finds all nine pixels taken.
    """
    around = np.array([(i, j) for j in (-1, 0, 1) for i in (-1, 0, 1)])
    home = np.clip(np.floor(pixels).astype(int), grid.first, grid.last)
    choices = home[:, None] + around
    distance = np.linalg.norm(choices + 0.5 - pixels[:, None], axis=2)
    distance[~grid.on_tracks(choices)] = np.inf
    points, owner = np.full((len(pixels), 2), -1), {}
    for flat in np.argsort(distance, axis=None, kind="stable"):
        pin, choice = divmod(int(flat), len(around))
        if points[pin, 0] >= 0 or not np.isfinite(distance[pin, choice]):
            continue
        if owner.setdefault(tuple(choices[pin, choice].tolist()), nets[pin]) == nets[pin]:
            points[pin] = choices[pin, choice]
    return points


def shorts(placed: Iterable[Placed]) -> dict[tuple[str, int, int], list[int]]:
    """Return every place that more than one net takes: `(layer, x, y)` to the nets' indices.

    Taken are wires, vias, the pins on m2, and the stacks of vias from there to the landing metals.
    """
    takers = collections.defaultdict(list)
    for index, item in enumerate(placed):
        for layer, x, y in _taken(item.net):
            takers[layer, x + item.x, y + item.y].append(index)
    return {place: nets for place, nets in takers.items() if len(nets) > 1}


def _require_space(um_per_px):
    if not 2 * WIRE_UM <= um_per_px < math.inf:
        raise ValueError(
            f"The pitch of the tracks is at least {2 * WIRE_UM} um, a wire's width and as much "
            f"space. Received: um_per_px={um_per_px!r}"
        )


def off_tracks(placed: Iterable[Placed], grid: Grid) -> list[tuple[str, str, int, int]]:
    """Return every place off the tracks that a net takes: `(net, layer, x, y)`."""
    beyond = grid.beyond
    return [
        (item.net.name, layer, x + item.x, y + item.y)
        for item in placed
        for layer, x, y in _taken(item.net)
        if beyond[y + item.y, x + item.x]
    ]


def _taken(net):
    """Return the set of `(layer, x, y)` that a net takes."""
    taken = {("m2", x, y) for x, y in net.pins}
    taken |= {(wire.layer, x, y) for wire in net.wires for x, y in wire.pixels()}
    taken |= {(via.name, x, y) for via, x, y in net.cuts()}
    taken |= {(via.below, x, y) for x, y in net.pins for via in net.stack(x, y)}
    return taken
