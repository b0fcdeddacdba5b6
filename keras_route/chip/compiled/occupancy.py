"""Who takes which place of the lattice: fixed shapes, and the wires and vias of routed nets."""

from typing import NamedTuple

import numpy as np
from numba import njit

from keras_route.chip.lattice import Lattice

FREE = -1  # no fixed shape is in the way
TAKEN = -2  # fixed shapes are in the way of every net

jit = njit(cache=True, nogil=True)


class Occupancy(NamedTuple):
    """The lattice as arrays, and what is in the way at each place.

    A wire at a node, or a via at a crossing, must keep its space to other shapes. So a shape takes
    all places at which a wire or a via would come too close to it.

    Args:
        fixed_wire: (planes, rows, columns) int32, whose fixed shapes are in the way of a wire:
            `FREE`, `TAKEN`, or the net that alone may use the place.
        fixed_via: the same for vias.
        use_wire: (planes, rows, columns) uint16, how many shapes of routed nets are in the way of a
            wire.
        use_via: the same for vias.
        past_wire: (planes, rows, columns) uint16, how often nets fought over the place.
        past_via: the same for vias.
    """

    x: np.ndarray
    y: np.ndarray
    horizontal: np.ndarray
    on_column: np.ndarray
    on_row: np.ndarray
    half_width: np.ndarray
    space: np.ndarray
    below: np.ndarray
    cut: np.ndarray
    above: np.ndarray
    cut_space: np.ndarray
    under_space: int
    entry_boxes: np.ndarray
    fixed_wire: np.ndarray
    fixed_via: np.ndarray
    use_wire: np.ndarray
    use_via: np.ndarray
    past_wire: np.ndarray
    past_via: np.ndarray


def empty(lattice: Lattice) -> Occupancy:
    """Return the occupancy of a lattice without shapes; places off the tracks are `TAKEN`."""
    shape = (lattice.planes, len(lattice.y), len(lattice.x))
    fixed_wire = np.full(shape, TAKEN, np.int32)
    fixed_via = np.full(shape, TAKEN, np.int32)
    for plane in range(lattice.planes):
        rows, columns = lattice.on_row[plane], lattice.on_column[plane]
        if plane:
            lower = plane - 1
            at = np.ix_(rows & lattice.on_row[lower], columns & lattice.on_column[lower])
        else:
            at = np.ix_(rows, columns)
        fixed_wire[plane][np.ix_(rows, columns)] = FREE
        if lattice.via[plane] >= 0:
            fixed_via[plane][at] = FREE
    counts = ("use_wire", "use_via", "past_wire", "past_via")
    arrays: dict[str, np.ndarray] = {name: np.zeros(shape, np.uint16) for name in counts}
    arrays |= {"fixed_wire": fixed_wire, "fixed_via": fixed_via}
    return Occupancy._make(
        arrays[name] if name in arrays else getattr(lattice, name) for name in Occupancy._fields
    )


@jit
def _range(places, low, high):
    """Return the first index above `low` and the first one from `high` on."""
    return np.searchsorted(places, low, side="right"), np.searchsorted(places, high, side="left")


@jit
def _claim(owners, rows, columns, net):
    for j in range(rows[0], rows[1]):
        for i in range(columns[0], columns[1]):
            owner = owners[j, i]
            if owner == FREE:
                owners[j, i] = net
            elif owner != net:
                owners[j, i] = TAKEN


@jit
def _count(counts, rows, columns, change):
    for j in range(rows[0], rows[1]):
        for i in range(columns[0], columns[1]):
            counts[j, i] += change


@jit
def places_around(at, box, shape, space):
    """Return rows and columns where `shape`, around its place, is closer than `space` to a box."""
    columns = _range(at.x, box[0] - space - shape[2], box[2] + space - shape[0])
    rows = _range(at.y, box[1] - space - shape[3], box[3] + space - shape[1])
    return rows, columns


@jit
def block_metal(at, plane, box, space, net):
    """Take the places around a fixed box of metal; below plane 0, it takes none."""
    if plane < 0:
        return
    half = at.half_width[plane]
    rows, columns = places_around(at, box, (-half, -half, half, half), space)
    _claim(at.fixed_wire[plane], rows, columns, net)
    rows, columns = places_around(at, box, at.above[plane], space)
    _claim(at.fixed_via[plane], rows, columns, net)
    if plane + 1 < len(at.horizontal):
        rows, columns = places_around(at, box, at.below[plane + 1], space)
        _claim(at.fixed_via[plane + 1], rows, columns, net)


@jit
def block_cut(at, level, box, space, net):
    """Take the places around a fixed cut."""
    rows, columns = places_around(at, box, at.cut[level], space)
    _claim(at.fixed_via[level], rows, columns, net)


@jit
def block_all(at, planes, cuts, boxes, spaces, nets):
    """Take the places around fixed shapes.

    Args:
        planes: (n,) plane of the metal, or level of the cut.
        cuts: (n,) whether the shape is a cut.
        boxes: (n, 4).
        spaces: (n,) that others keep to the shape.
        nets: (n,) index of the net that may touch it; `TAKEN` for none.
    """
    for i in range(len(planes)):
        if cuts[i]:
            block_cut(at, planes[i], boxes[i], spaces[i], nets[i])
        else:
            block_metal(at, planes[i], boxes[i], spaces[i], nets[i])


@jit
def _use_metal(at, plane, box, change):
    space = at.space[plane]
    half = at.half_width[plane]
    rows, columns = places_around(at, box, (-half, -half, half, half), space)
    _count(at.use_wire[plane], rows, columns, change)
    rows, columns = places_around(at, box, at.above[plane], space)
    _count(at.use_via[plane], rows, columns, change)
    if plane + 1 < len(at.horizontal):
        rows, columns = places_around(at, box, at.below[plane + 1], space)
        _count(at.use_via[plane + 1], rows, columns, change)


@jit
def use(at, wires, vias, change):
    """Count a routed net in (`change` 1) or out (-1).

    Args:
        wires: (w, 5) integers: plane, x0, y0, x1, y1.
        vias: (v, 5) integers: level, x, y, index into `Technology.vias`, and whether its metal
            below plane 0 sticks out of the pin.
        change: 1 or -1.
    """
    change = np.uint16(change & 0xFFFF)
    for k in range(len(wires)):
        plane = wires[k, 0]
        half = at.half_width[plane]
        box = (wires[k, 1] - half, wires[k, 2] - half, wires[k, 3] + half, wires[k, 4] + half)
        _use_metal(at, plane, box, change)
    for k in range(len(vias)):
        level, x, y = vias[k, 0], vias[k, 1], vias[k, 2]
        _use_metal(at, level, _moved(at.above[level], x, y), change)
        if level > 0:
            _use_metal(at, level - 1, _moved(at.below[level], x, y), change)
        elif vias[k, 4]:
            box = _moved(at.entry_boxes[vias[k, 3]], x, y)
            rows, columns = places_around(at, box, at.below[0], at.under_space)
            _count(at.use_via[0], rows, columns, change)
        rows, columns = places_around(
            at, _moved(at.cut[level], x, y), at.cut[level], at.cut_space[level]
        )
        _count(at.use_via[level], rows, columns, change)


@jit
def _moved(box, x, y):
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


@jit
def fights(at, wires, vias, add):
    """Return whether a net that is not counted comes too close to others.

    Args:
        add: what is added to `past_wire` and `past_via` at each place that is fought over.
    """
    found = False
    for k in range(len(wires)):
        plane = wires[k, 0]
        i0, i1 = _range(at.x, wires[k, 1] - 1, wires[k, 3] + 1)
        j0, j1 = _range(at.y, wires[k, 2] - 1, wires[k, 4] + 1)
        for j in range(j0, j1):
            for i in range(i0, i1):
                if at.use_wire[plane, j, i] > 0:
                    at.past_wire[plane, j, i] += np.uint16(add)
                    found = True
    for k in range(len(vias)):
        level = vias[k, 0]
        i0, i1 = beside(at.x, vias[k, 1])
        j0, j1 = beside(at.y, vias[k, 2])
        for j in range(j0, j1 + 1):
            for i in range(i0, i1 + 1):
                if at.use_via[level, j, i] > 0:
                    at.past_via[level, j, i] += np.uint16(add)
                    found = True
    return found


@jit
def beside(places, value):
    """Return the index of a place twice, or those of the two places around a value between them.

    What is in the way of a via reaches farther than from one place to the next. So a via between
    two places is free if a via at each of them is.
    """
    last = min(np.searchsorted(places, value), len(places) - 1)
    if places[last] == value or last == 0:
        return last, last
    return last - 1, last
