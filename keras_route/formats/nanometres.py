"""Nets in nanometres: where their pixels lie, and how wide metal and cuts are."""

import collections
import math
from collections.abc import Sequence

from keras_route.layout.net import Net

NM_PER_UM = 1000
WIRE_NM = 40  # width of every wire, and of the metal around a via
CUT_NM = 30  # enclosed by 5 nm of both metals
TOP = "TOP"  # the cell, or design, that holds all nets


def titles(nets: Sequence[Net]) -> list[str]:
    """Return the names of nets; those without one are numbered."""
    return [net.name or f"net_{i}" for i, net in enumerate(nets)]


def names(nets: Sequence[Net]) -> list[str]:
    """Return the names of nets in a layout file: `titles` that it can hold.

    Raises:
        ValueError: a name is taken twice, or has a character that a file cannot hold.
    """
    found = titles(nets)
    counts = collections.Counter([TOP, *found])
    for name in found:
        if counts[name] > 1 or not name.isprintable() or set(name) & set(" ;"):
            raise ValueError(
                f"Nets of a file need different names, other than {TOP} and without spaces and "
                f"semicolons: set `name` with `dataclasses.replace`. Received: name={name!r}"
            )
    return found


def origins(
    nets: Sequence[Net], origins_um: Sequence[tuple[float, float]] | None
) -> list[tuple[int, int]]:
    """Return the lower left corner of each net's window in nanometres.

    Args:
        nets: the nets.
        origins_um: the corners in micrometres, y upwards; if not given, the windows are laid out
            side by side as a square of rows.

    Raises:
        ValueError: there is not one corner for each net.
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


def centre(net: Net, x: int, y: int) -> tuple[int, int]:
    """Return the centre of a pixel in nanometres from the lower left corner of the window."""
    x_um, y_um = net.um_per_px
    return round((x + 0.5) * x_um * NM_PER_UM), round((net.height - y - 0.5) * y_um * NM_PER_UM)
