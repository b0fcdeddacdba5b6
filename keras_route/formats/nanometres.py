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
        ValueError: the number of corners is not that of the nets.
    """
    if origins_um is None:
        columns = math.ceil(math.sqrt(len(nets)))
        pitch = max((net.window_um for net in nets), default=0)
        origins_um = [(i % columns * pitch, i // columns * pitch) for i in range(len(nets))]
    if len(origins_um) != len(nets):
        raise ValueError(
            "Each net that is placed has one origin. "
            f"Received: {len(nets)} nets, {len(origins_um)} origins"
        )
    return [(round(x * NM_PER_UM), round(y * NM_PER_UM)) for x, y in origins_um]


def centre_nm(net: Net, x: int, y: int) -> tuple[int, int]:
    """Return the centre of a pixel in nanometres from the lower left corner of the window."""
    x_um, y_um = net.um_per_px
    return round((x + 0.5) * x_um * NM_PER_UM), round((net.height - y - 0.5) * y_um * NM_PER_UM)
