"""Nets as GDSII, the layout format of layout tools and fabs."""

import datetime
import os
from collections.abc import Sequence

from keras_route.files import written_whole
from keras_route.formats.nanometres import CUT_NM, NM_PER_UM, WIRE_NM, centre_nm, origins_nm
from keras_route.formats.net_names import TOP, names_in_layout
from keras_route.layout.net import Net

GDS_LAYERS = {
    **{f"m{i}": (i, 0) for i in range(2, 7)},
    **{f"via{i}": (50 + i, 0) for i in range(2, 6)},
}
WRITTEN = datetime.datetime(2000, 1, 1)  # so that the same nets give the same bytes


def write_gds(
    nets: Sequence[Net],
    path: str | os.PathLike,
    origins: Sequence[tuple[float, float]] | None = None,
) -> None:
    """Write nets as GDSII: a cell for each net, placed in the cell `TOP`; a unit is 1 nm.

    Wires are 40 nm wide. Each pin gets its stack of vias, from m2 to the metal that it lands on;
    label images do not show these. The first pin has the net's name as a text on m2. `GDS_LAYERS`
    has the layer numbers.

    Args:
        nets: the nets; the cells get their names.
        path: the file.
        origins: lower left corner of each net's window in micrometres, y upwards; by default, the
            windows lie side by side.

    Raises:
        ImportError: gdstk is not installed.
        ValueError: two nets have one name, a net has a part outside its window, or `origins` has
            another length than `nets`.
    """
    gdstk = _gdstk()
    library = gdstk.Library("keras_route", unit=1e-6, precision=1e-9)
    top = gdstk.Cell(TOP)
    corners = origins_nm(nets, origins)
    for net, name, corner in zip(nets, names_in_layout(nets), corners, strict=True):
        cell = library.new_cell(name)
        for layer, box in rectangles(net):
            cell.add(_rectangle(gdstk, layer, box))
        for pin in net.pins[:1]:
            number, kind = GDS_LAYERS["m2"]
            position = _um(centre_nm(net, *pin))
            cell.add(gdstk.Label(name, position, layer=number, texttype=kind))
        top.add(gdstk.Reference(cell, _um(corner)))
    library.add(top)
    with written_whole(path) as temporary:
        library.write_gds(temporary, timestamp=WRITTEN)


def rectangles(net: Net) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Return (layer, (left, bottom, right, top)) of all metal and cuts of a net.

    Coordinates are nanometres from the lower left corner of the window.

    Raises:
        ValueError: a part lies outside the window.
    """
    found = [
        (wire.layer, _around(net, (wire.x0, wire.y1), (wire.x1, wire.y0), WIRE_NM))
        for wire in net.merged().wires
    ]
    found += [("m2", _around(net, pin, pin, WIRE_NM)) for pin in dict.fromkeys(net.pins)]
    for via, *at in net.cuts():
        found += [(m, _around(net, at, at, WIRE_NM)) for m in (via.below, via.above)]
        found.append((via.name, _around(net, at, at, CUT_NM)))
    return list(dict.fromkeys(found))


def _around(net, low, high, width):
    left, bottom = centre_nm(net, *low)
    right, top = centre_nm(net, *high)
    half = width // 2
    return left - half, bottom - half, right + half, top + half


def _rectangle(gdstk, layer, box):
    number, kind = GDS_LAYERS[layer]
    return gdstk.rectangle(_um(box[:2]), _um(box[2:]), layer=number, datatype=kind)


def _um(point):
    return point[0] / NM_PER_UM, point[1] / NM_PER_UM


def _gdstk():
    try:
        import gdstk
    except ImportError as error:
        raise ImportError(
            "GDSII is written by gdstk: pip install gdstk, or write DEF or JSON."
        ) from error
    return gdstk
