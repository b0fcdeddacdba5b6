"""Rails, straps and stacks of via arrays that bring power to the rows."""

import dataclasses

from keras_route.random_design.placement import ROW_HEIGHT, Core
from keras_route.random_design.process import DBU_PER_UM
from keras_route.technology.technology import Technology

RAIL, STRAP, WIDE_STRAP = 340, 960, 2800  # widths on metal1, metal4 and metal7
STRAP_STEP, WIDE_STRAP_STEP = 28 * DBU_PER_UM, 20 * DBU_PER_UM  # from power to ground
NETS = ("VDD", "VSS")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of cuts between two metals, whose metal is a box around the origin.

    Args:
        name: of the via.
        rule: name of the rule in the LEF file.
        layers: names from below.
        cut, space: width of a cut and the space between two.
        columns, rows: of the array.
        around: distance from the cuts to the edge of the metals, along x and y.
    """

    name: str
    rule: str
    layers: tuple[str, str, str]
    cut: int
    space: int
    columns: int
    rows: int
    around: tuple[int, int]


def arrays(technology: Technology) -> tuple[Array, ...]:
    """Return the arrays of metal1 to metal7: thin ones on rails, large ones below wide straps."""
    return tuple(
        _array(technology, index, (STRAP, RAIL) if index < 3 else (STRAP, WIDE_STRAP))
        for index in range(6)
    )


def _array(technology, index, size):
    cut = technology.cuts[index]
    width, space = (round(um * DBU_PER_UM) for um in (cut.width_um, cut.spacing_um))
    columns, rows = ((side + space) // (width + space) for side in size)
    around = tuple(
        (side - count * (width + space) + space) // 2
        for side, count in zip(size, (columns, rows), strict=True)
    )
    names = technology.layer_names[2 * index : 2 * index + 3]
    name = f"{cut.name}_{size[0]}x{size[1]}"
    return Array(name, f"array{index + 1}", names, width, space, columns, rows, around)


def supply_lines(core: Core, vias: tuple[Array, ...]):
    """Yield the lines of the `SPECIALNETS` section."""
    yield f"SPECIALNETS {len(NETS)} ;"
    left, bottom, right, top = core.box
    straps = _positions(left, right, STRAP_STEP)
    wide = _positions(bottom, top, WIDE_STRAP_STEP)
    rails = range(bottom, top + 1, ROW_HEIGHT)
    for index, net in enumerate(NETS):
        yield f"- {net} ( * {net} ) + USE {'POWER' if net == 'VDD' else 'GROUND'}"
        mine, mine_wide = straps[index::2], wide[index::2]
        mine_rails = list(rails)[1 - index :: 2]
        parts = [_line("metal1", RAIL, "FOLLOWPIN", (left, y), (right, y)) for y in mine_rails]
        low, high = bottom - RAIL // 2, top + RAIL // 2
        parts += [_line("metal4", STRAP, "STRIPE", (x, low), (x, high)) for x in mine]
        parts += [_line("metal7", WIDE_STRAP, "STRIPE", (left, y), (right, y)) for y in mine_wide]
        parts += [_via(via, x, y) for via in vias[:3] for x in mine for y in mine_rails]
        parts += [_via(via, x, y) for via in vias[3:] for x in mine for y in mine_wide]
        yield "  + ROUTED " + "\n  NEW ".join(parts) + " ;"
    yield "END SPECIALNETS"


def _positions(low, high, step):
    """Return the middles of straps at most `step` apart: at least one for each supply."""
    count = 2 * max(1, round((high - low) / step / 2))
    return [low + (high - low) * (2 * i + 1) // (2 * count) // 20 * 20 for i in range(count)]


def _line(layer, width, shape, start, end):
    (x0, y0), (x1, y1) = start, end
    return f"{layer} {width} + SHAPE {shape} ( {x0} {y0} ) ( {x1} {y1} )"


def _via(via, x, y):
    return f"{via.layers[0]} 0 + SHAPE STRIPE ( {x} {y} ) {via.name}"


def via_lines(vias: tuple[Array, ...]):
    """Yield the lines of the `VIAS` section."""
    yield f"VIAS {len(vias)} ;"
    for via in vias:
        dx, dy = via.around
        yield f"- {via.name} + VIARULE {via.rule} + CUTSIZE {via.cut} {via.cut}"
        yield f"  + LAYERS {' '.join(via.layers)} + CUTSPACING {via.space} {via.space}"
        yield f"  + ENCLOSURE {dx} {dy} {dx} {dy} + ROWCOL {via.rows} {via.columns} ;"
    yield "END VIAS"
