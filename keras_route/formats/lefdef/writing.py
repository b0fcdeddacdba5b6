"""Routed nets as DEF."""

import os
from collections.abc import Sequence

from keras_route.files import written_whole
from keras_route.formats.nanometres import (
    CUT_NM,
    NM_PER_UM,
    WIRE_NM,
    centre_nm,
    checked_um,
    origins_nm,
)
from keras_route.formats.net_names import TOP, names_in_layout
from keras_route.layout.net import Net
from keras_route.technology.layers import PIN_VIA, VIAS

HALF = WIRE_NM // 2


def write_def(
    nets: Sequence[Net],
    path: str | os.PathLike,
    origins: Sequence[tuple[float, float]] | None = None,
    die_um: Sequence[float] | None = None,
) -> None:
    """Write nets as DEF 5.8: the design `TOP` with a pin on m2 for each pin, and `ROUTED` wires.

    A unit is 1 nm. The vias of the file are `m2_m3` to `m5_m6`. They also build the stacks below
    the pins. A wire of one pixel is not written: the metal of its vias is that wire.

    Args:
        nets: the nets.
        path: the file.
        origins: lower left corner of each net's window in micrometres, y upwards; by default, the
            windows lie side by side.
        die_um: left, bottom, right and top of the die in micrometres; by default, the die is the
            bounding box of all windows.

    Raises:
        ValueError: two nets have one name, a net has a part outside its window, or `origins` has
            another length than `nets`.
    """
    corners = origins_nm(nets, origins)
    placed = list(zip(names_in_layout(nets), nets, corners, strict=True))
    die = _hull(placed) if die_um is None else _nanometres(die_um)
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _def_lines(placed, die))


def _def_lines(placed, die):
    yield "VERSION 5.8 ;"
    yield 'DIVIDERCHAR "/" ;'
    yield 'BUSBITCHARS "[]" ;'
    yield f"DESIGN {TOP} ;"
    yield f"UNITS DISTANCE MICRONS {NM_PER_UM} ;"
    yield f"DIEAREA {_points(*die)} ;"
    yield from _section("VIAS", [_via(via) for via in (PIN_VIA, *VIAS.values())])
    yield from _section("PINS", [pin for net in placed for pin in _pins(*net)])
    yield from _section("NETS", [_net(*net) for net in placed])
    yield "END DESIGN"


def _section(name, items):
    return [f"{name} {len(items)} ;", *(f"- {item} ;" for item in items), f"END {name}"]


def _nanometres(die_um):
    ((left, bottom, right, top),) = (
        [round(edge * NM_PER_UM) for edge in die] for die in checked_um("die_um", [die_um], 4)
    )
    return (left, bottom), (right, top)


def _hull(placed):
    sides = [(x, y, round(net.window_um * NM_PER_UM)) for _, net, (x, y) in placed]
    if not sides:
        return (0, 0), (0, 0)
    low = min(x for x, _, _ in sides), min(y for _, y, _ in sides)
    return low, (max(x + side for x, _, side in sides), max(y + side for _, y, side in sides))


def _via(via):
    cut = CUT_NM // 2
    boxes = ((via.below, HALF), (via.name, cut), (via.above, HALF))
    shapes = " ".join(f"+ RECT {name} {_points((-h, -h), (h, h))}" for name, h in boxes)
    return f"{via.below}_{via.above} {shapes}"


def _pins(name, net, corner):
    for i, pin in enumerate(dict.fromkeys(net.pins)):
        yield (
            f"{name}/{i} + NET {name} + DIRECTION INOUT + USE SIGNAL "
            f"+ LAYER m2 {_points((-HALF, -HALF), (HALF, HALF))} "
            f"+ PLACED {_points(_at(net, corner, *pin))} N"
        )


def _net(name, net, corner):
    pins = " ".join(f"( PIN {name}/{i} )" for i in range(len(set(net.pins))))
    pieces = [
        f"{w.layer} {_points(_at(net, corner, w.x0, w.y1), _at(net, corner, w.x1, w.y0))}"
        for w in net.merged().wires
        if w.length
    ]
    pieces += [
        f"{via.below} {_points(_at(net, corner, x, y))} {via.below}_{via.above}"
        for via, x, y in net.cuts()
    ]
    routed = "\n  + ROUTED " + "\n    NEW ".join(pieces) if pieces else ""
    return f"{name} {pins}{routed}\n  + USE SIGNAL"


def _at(net, corner, x, y):
    return tuple(a + b for a, b in zip(corner, centre_nm(net, x, y), strict=True))


def _points(*points):
    return " ".join(f"( {x} {y} )" for x, y in points)
