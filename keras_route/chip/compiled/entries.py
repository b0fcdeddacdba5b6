"""The places at which tracks and vias reach the pins of nets."""

from typing import NamedTuple

import numpy as np

from keras_route.chip.compiled.net_router import (
    AT_X,
    AT_Y,
    COLUMN,
    OUT,
    PIN,
    PLANE,
    PRICE,
    ROW,
    VIA,
    grown,
)
from keras_route.chip.compiled.occupancy import jit


class Neighbours(NamedTuple):
    """The shapes of the metal below plane 0, found by place.

    Args:
        boxes: (u, 4).
        nets: (u,) index of the net of each.
        spaces: (u,) the space that others keep to each.
        first: (squares + 1,) where the shapes that touch each square begin in `found`.
        found: indices of shapes.
        size: side of a square.
        columns, rows: of the squares.
        x0, y0: lower left corner of the first square.
    """

    boxes: np.ndarray
    nets: np.ndarray
    spaces: np.ndarray
    first: np.ndarray
    found: np.ndarray
    size: int
    columns: int
    rows: int
    x0: int
    y0: int


@jit
def bins(boxes, size, columns, rows, x0, y0):
    """Return `first` and `found` of `Neighbours`."""
    count = np.zeros(columns * rows + 1, np.int64)
    for turn in range(2):
        if turn == 1:
            first = np.zeros(columns * rows + 1, np.int64)
            first[1:] = np.cumsum(count[:-1])
            found = np.zeros(first[-1], np.int64)
            place = first[:-1].copy()
        for k in range(len(boxes)):
            i0, i1 = _squares(boxes[k, 0], boxes[k, 2], x0, size, columns)
            j0, j1 = _squares(boxes[k, 1], boxes[k, 3], y0, size, rows)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    if turn == 0:
                        count[j * columns + i] += 1
                    else:
                        found[place[j * columns + i]] = k
                        place[j * columns + i] += 1
    return first, found


@jit
def _squares(low, high, start, size, count):
    """Return the first square that an interval touches, and the one behind the last."""
    first = min(max((low - start) // size, 0), count - 1)
    return first, min(max((high - start) // size, 0), count - 1) + 1


@jit
def _clear(box, net, near, space):
    """Return whether a box keeps its space to the shapes of other nets."""
    i0, i1 = _squares(box[0] - space, box[2] + space, near.x0, near.size, near.columns)
    j0, j1 = _squares(box[1] - space, box[3] + space, near.y0, near.size, near.rows)
    for j in range(j0, j1):
        for i in range(i0, i1):
            square = j * near.columns + i
            for f in range(near.first[square], near.first[square + 1]):
                k = near.found[f]
                if near.nets[k] == net:
                    continue
                dx = max(near.boxes[k, 0] - box[2], box[0] - near.boxes[k, 2])
                dy = max(near.boxes[k, 1] - box[3], box[1] - near.boxes[k, 3])
                if max(dx, dy) < max(near.spaces[k], space):
                    return False
    return True


@jit
def _inside(box, own):
    for k in range(len(own)):
        if (
            own[k, 0] <= box[0]
            and own[k, 1] <= box[1]
            and box[2] <= own[k, 2]
            and box[3] <= own[k, 3]
        ):
            return True
    return False


@jit
def _add(table, count, pin, plane, row, column, price, via, x, y, out):
    table = grown(table, count)
    entry = table[count]
    entry[PIN], entry[PLANE], entry[ROW], entry[COLUMN] = pin, plane, row, column
    entry[PRICE], entry[VIA], entry[AT_X], entry[AT_Y], entry[OUT] = price, via, x, y, out
    return table, count + 1


@jit
def entries_of(
    at,
    planes,
    boxes,
    nets,
    pins,
    via_boxes,
    via_ids,
    price,
    near,
):
    """Return the entries of all pins, those of a net one after another, and their nets.

    A pin on the metal below plane 0 is reached by a via, at crossings of the tracks of plane 0 that
    lie on the pin. Vias whose metal lies inside the pin come first; another one must keep its space
    to its neighbours. Without any crossing, the via lies off the rows (or columns), and a wire
    joins it with the nearest place. A pin on a metal with wires is reached where a track of
    it crosses the pin.

    Args:
        at: the occupancy.
        planes: (n,) plane of each shape, -1 for the metal below plane 0; sorted by net and pin.
        boxes: (n, 4) boxes of the shapes.
        nets: (n,) index of the net.
        pins: (n,) index of the pin in its net.
        via_boxes: (v, 4) boxes of the usable vias on the metal below plane 0.
        via_ids: (v,) their indices in `Technology.vias`.
        price: of a via of level 0.
        near: the shapes of that metal.
    """
    table = np.zeros((1024, 9), np.int64)
    count = 0
    start = 0
    ends = np.zeros((len(planes), 3), np.int64)  # net, first entry, last entry + 1 of each pin
    done = 0
    while start < len(planes):
        stop = start
        while stop < len(planes) and nets[stop] == nets[start] and pins[stop] == pins[start]:
            stop += 1
        before = count
        for strict in range(3):
            if count > before:
                break
            for k in range(start, stop):
                if planes[k] >= 0:
                    if strict == 0:
                        table, count = _on_tracks(at, table, count, pins[k], planes[k], boxes[k])
                    if strict == 1:
                        table, count = _beside_tracks(
                            at, table, count, pins[k], planes[k], boxes[k]
                        )
                    continue
                if planes[k] != -1:
                    continue
                own = boxes[start:stop][planes[start:stop] == -1]
                table, count = _by_vias(
                    at,
                    table,
                    count,
                    pins[k],
                    boxes[k],
                    own,
                    nets[k],
                    via_boxes,
                    via_ids,
                    price,
                    near,
                    strict,
                )
        ends[done, 0], ends[done, 1], ends[done, 2] = nets[start], before, count
        done += 1
        start = stop
    return table[:count], ends[:done]


@jit
def _by_vias(
    at,
    table,
    count,
    pin,
    box,
    own,
    net,
    via_boxes,
    via_ids,
    price,
    near,
    strict,
):
    i0, i1 = np.searchsorted(at.x, box[0]), np.searchsorted(at.x, box[2], side="right")
    j0, j1 = np.searchsorted(at.y, box[1]), np.searchsorted(at.y, box[3], side="right")
    upright = not at.horizontal[0]
    if strict == 2:  # off the rows of vertical tracks, or off the columns of horizontal ones
        if upright:
            j0, j1 = 0, 3
        else:
            i0, i1 = 0, 3
    for i in range(i0, i1):
        if (upright or strict < 2) and not at.on_column[0, i]:
            continue
        for j in range(j0, j1):
            if (not upright or strict < 2) and not at.on_row[0, j]:
                continue
            for v in range(len(via_ids)):
                x = (
                    at.x[i]
                    if upright or strict < 2
                    else _third(box[0], box[2], i, via_boxes[v, 0], via_boxes[v, 2])
                )
                y = (
                    at.y[j]
                    if not upright or strict < 2
                    else _third(box[1], box[3], j, via_boxes[v, 1], via_boxes[v, 3])
                )
                metal = (
                    x + via_boxes[v, 0],
                    y + via_boxes[v, 1],
                    x + via_boxes[v, 2],
                    y + via_boxes[v, 3],
                )
                inside = _inside(metal, own)
                extra = 0
                if not inside:
                    if strict == 0:
                        continue
                    if not _clear(metal, net, near, at.under_space):
                        continue
                    extra = price
                if strict < 2:
                    table, count = _add(
                        table, count, pin, 0, j, i, price + extra, via_ids[v], x, y, not inside
                    )
                    break
                column, row = i, j
                if upright:
                    row = _nearest_on(at.y, at.on_row[0], y)
                else:
                    column = _nearest_on(at.x, at.on_column[0], x)
                stub = abs(at.x[column] - x) + abs(at.y[row] - y)
                table, count = _add(
                    table,
                    count,
                    pin,
                    0,
                    row,
                    column,
                    price + extra + stub,
                    via_ids[v],
                    x,
                    y,
                    not inside,
                )
                break
    return table, count


@jit
def _third(low, high, which, below, above):
    """Return one of three places on a pin: the middle, or the ends that hold the via's metal."""
    if which == 0:
        return (low + high) // 2
    return low - below if which == 1 else high - above


@jit
def _nearest_on(places, open_, value):
    best = -1
    centre = min(np.searchsorted(places, value), len(places) - 1)
    for k in range(max(0, centre - 64), min(len(places), centre + 64)):
        if open_[k] and (best < 0 or abs(places[k] - value) < abs(places[best] - value)):
            best = k
    return max(best, 0)


@jit
def _on_tracks(at, table, count, pin, plane, box):
    """Add the places of a pin that lie on tracks of its own metal."""
    i0, i1 = np.searchsorted(at.x, box[0]), np.searchsorted(at.x, box[2], side="right")
    j0, j1 = np.searchsorted(at.y, box[1]), np.searchsorted(at.y, box[3], side="right")
    for j in range(j0, j1):
        for i in range(i0, i1):
            if at.on_row[plane, j] and at.on_column[plane, i]:
                table, count = _add(table, count, pin, plane, j, i, 0, -1, at.x[i], at.y[j], 0)
    return table, count


@jit
def _beside_tracks(at, table, count, pin, plane, box):
    """Add the places nearest to a pin on the tracks that cross it, with a wire into its middle."""
    x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    if at.horizontal[plane]:
        column = _nearest_on(at.x, at.on_column[plane], x)
        for j in range(len(at.y)):
            if box[1] <= at.y[j] <= box[3] and at.on_row[plane, j]:
                stub = abs(at.x[column] - x)
                table, count = _add(table, count, pin, plane, j, column, stub, -1, x, at.y[j], 0)
    else:
        row = _nearest_on(at.y, at.on_row[plane], y)
        for i in range(len(at.x)):
            if box[0] <= at.x[i] <= box[2] and at.on_column[plane, i]:
                stub = abs(at.y[row] - y)
                table, count = _add(table, count, pin, plane, row, i, stub, -1, at.x[i], y, 0)
    return table, count
