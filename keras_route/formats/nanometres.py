"""Nets in nanometres: the places of their pixels, and the widths of metal and cuts."""

import math
from collections.abc import Sequence

from keras_route.layout.net import Net
from keras_route.technology.published import CUT_UM, WIRE_UM

NM_PER_UM = 1000
WIRE_NM = round(WIRE_UM * NM_PER_UM)
CUT_NM = round(CUT_UM * NM_PER_UM)


def origins_nm(
    nets: Sequence[Net], origins_um: Sequence[tuple[float, float]] | None
) -> list[tuple[int, int]]:
    """Return the lower left corner of each net's window in nanometres.

    Args:
        nets: the nets.
        origins_um: the corners in micrometres, y upwards; by default, the windows lie side by side
            in a square.

    Raises:
        TypeError: `nets` is not a list of nets.
        ValueError: the number of corners is not that of the nets, or one is not two numbers.
    """
    if not isinstance(nets, list | tuple) or not all(isinstance(net, Net) for net in nets):
        raise TypeError(
            f"`nets` must be a list of `Net`; put a single one into a list. Received: nets={nets!r}"
        )
    if origins_um is None:
        columns = math.ceil(math.sqrt(len(nets)))
        pitch = max((net.window_um for net in nets), default=0)
        origins_um = [(i % columns * pitch, i // columns * pitch) for i in range(len(nets))]
    corners = checked_um("origins", origins_um, 2)
    if len(corners) != len(nets):
        raise ValueError(
            "Each net that is placed has one origin. "
            f"Received: {len(nets)} nets, {len(corners)} origins"
        )
    return [(round(x * NM_PER_UM), round(y * NM_PER_UM)) for x, y in corners]


def checked_um(name: str, places: Sequence[Sequence[float]], count: int) -> list[list[float]]:
    """Return places of `count` finite numbers each, in micrometres.

    Raises:
        ValueError: a place is something else.
    """
    try:
        checked = [[float(number) for number in place] for place in places]
    except (OverflowError, TypeError, ValueError):
        checked = [[math.nan]]
    if not all(len(place) == count and all(map(math.isfinite, place)) for place in checked):
        raise ValueError(
            f"`{name}` must be {count} finite numbers of micrometres for each place. "
            f"Received: {name}={places!r}"
        )
    return checked


def centre_nm(net: Net, x: int, y: int) -> tuple[int, int]:
    """Return the centre of a pixel in nanometres from the lower left corner of the window."""
    x_um, y_um = net.um_per_px
    return round((x + 0.5) * x_um * NM_PER_UM), round((net.height - y - 0.5) * y_um * NM_PER_UM)
