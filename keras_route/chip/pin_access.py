"""The ways from the pins of nets onto the lattice."""

import dataclasses

import numpy as np

from keras_route.chip.compiled.entries import Neighbours, bins, entries_of
from keras_route.chip.compiled.occupancy import Occupancy
from keras_route.chip.lattice import Lattice, fitting_vias
from keras_route.layout.design import Design

BIN_UM = 4  # side of the squares in which neighbours of a shape are looked for


@dataclasses.dataclass(frozen=True)
class Entries:
    """The ways onto the lattice.

    Args:
        table: (n, 9) integers, those of a net one after another, see `net_router`.
        spans: index of each net that can be routed, to the first of its entries and the one behind
            the last.
        unreached: index of each net that cannot, to the reason.
    """

    table: np.ndarray
    spans: dict[int, tuple[int, int]]
    unreached: dict[int, str]


def find_entries(
    design: Design, lattice: Lattice, at: Occupancy, around: np.ndarray, via_price: int
) -> Entries:
    """Return the entries of all nets with two pins or more.

    Args:
        design: the design.
        lattice: its lattice.
        at: the occupancy, with the fixed shapes.
        around: the `spaces` of the design.
        via_price: of a via to a pin, in database units of wire.
    """
    shapes = design.shapes
    planes = shapes.layer // 2 - lattice.lowest
    metal = (shapes.layer % 2 == 0) & (shapes.pin >= 0) & (planes >= -1)
    order = np.flatnonzero(metal & (planes < lattice.planes))
    order = order[np.lexsort((shapes.pin[order], shapes.net[order]))]
    under = np.flatnonzero(shapes.layer == 2 * (lattice.lowest - 1))
    under_boxes = shapes.box[under].astype(np.int64)
    vias = np.array(_entry_vias(design, lattice), np.int64)
    left, bottom, right, top = design.die
    size = BIN_UM * design.dbu_per_um
    columns, rows = max(1, -(-(right - left) // size)), max(1, -(-(top - bottom) // size))
    grid = (size, columns, rows, left, bottom)
    first, found = bins(under_boxes, *grid)
    under_nets = shapes.net[under].astype(np.int64)
    near = Neighbours(under_boxes, under_nets, around[under], first, found, *grid)
    table, ends = entries_of(
        at,
        planes[order],
        shapes.box[order].astype(np.int64),
        shapes.net[order].astype(np.int64),
        shapes.pin[order].astype(np.int64),
        lattice.entry_boxes[vias],
        vias,
        via_price,
        near,
    )
    return Entries(table, *_spans(design, ends))


def _entry_vias(design, lattice):
    """Return the vias that may reach a pin: those that look like the best one from above."""
    if lattice.via[0] < 0:
        return []
    technology = design.technology
    best = technology.vias[lattice.via[0]]
    upper = technology.metals[lattice.lowest].name
    others = [
        v
        for v in fitting_vias(technology, lattice.lowest - 1)
        if v != lattice.via[0]
        and technology.vias[v].boxes_um[upper] == best.boxes_um[upper]
        and technology.vias[v].default == best.default
    ]
    return [int(lattice.via[0]), *others]


def _spans(design, ends):
    pins: dict[int, list[tuple[int, int]]] = {}
    for net, first, last in ends.tolist():
        pins.setdefault(net, []).append((first, last))
    spans, unreached = {}, {}
    for net, (_name, wanted) in enumerate(design.nets.items()):
        found = pins.get(net, [])
        if len(wanted) < 2:
            continue
        if len(found) < len(wanted):
            unreached[net] = f"{len(wanted) - len(found)} of its pins have no metal on these layers"
        elif any(first == last for first, last in found):
            at = next(k for k, (first, last) in enumerate(found) if first == last)
            pin = " ".join(wanted[at])
            unreached[net] = f"no track and via reach its pin {pin}"
        else:
            spans[net] = found[0][0], found[-1][1]
    return spans, unreached
