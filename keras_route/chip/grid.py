"""The grid of a chip: its tracks, in pixels and in micrometres."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_route.formats.nanometres import NM_PER_UM, WIRE_NM

WIRE_UM = WIRE_NM / NM_PER_UM


@dataclasses.dataclass(frozen=True)
class Grid:
    """The tracks of a chip, inside a square of pixels with row 0 at the top.

    The square is needed because windows are square. If the die is not a square, the tracks fill the
    lower left corner of it, and nothing may lie beyond them.

    Args:
        columns: number of vertical tracks, the left columns of the square.
        rows: number of horizontal tracks, the lower rows of the square.
        um_per_px: micrometres of a pixel, which is the pitch of the tracks.
        left_um: x of the left edge.
        bottom_um: y of the lower edge, y upwards.

    Raises:
        ValueError: the space between wires on neighbouring tracks would be less than their width.
    """

    columns: int
    rows: int
    um_per_px: float
    left_um: float = 0.0
    bottom_um: float = 0.0

    def __post_init__(self) -> None:
        _require_space(self.um_per_px)

    @classmethod
    def over(cls, die_um: Sequence[float], um_per_px: float) -> "Grid":
        """Return the most tracks whose wires fit on a die, centred.

        Args:
            die_um: (left, bottom, right, top).
            um_per_px: the pitch of the tracks.

        Raises:
            ValueError: the pitch is too small, or the die is narrower than a wire.
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
        """Number of pixels along a side of the square."""
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
        """Return which pixels (..., 2) lie on the tracks, (...) booleans."""
        return np.all((places >= self.first) & (places <= self.last), axis=-1)

    @property
    def beyond(self) -> np.ndarray:
        """The pixels of the square beyond the tracks, a bool array (size, size)."""
        y, x = np.indices((self.size, self.size))
        return ~self.on_tracks(np.stack([x, y], axis=-1))

    def pixels(self, position_um: np.ndarray) -> np.ndarray:
        """Return positions (P, 2) in micrometres as float pixels; pixel k reaches from k to k + 1.

        Raises:
            ValueError: a position lies more than half a pixel beyond the tracks, so not on the die.
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
        """Return the left column and the upper row of a window around pins, inside the square."""
        centre = (pins.min(axis=0) + pins.max(axis=0) + 1) // 2
        x, y = np.clip(centre - side // 2, 0, self.size - side)
        return int(x), int(y)


def _require_space(um_per_px: float) -> None:
    if not 2 * WIRE_UM <= um_per_px < math.inf:
        raise ValueError(
            f"The pitch of the tracks is at least {2 * WIRE_UM} um, a wire's width and as much "
            f"space. Received: um_per_px={um_per_px!r}"
        )
