"""The wires and vias of a net, from its steps on the lattice."""

import numpy as np

from keras_route.chip.compiled.net_router import AT_X, AT_Y, COLUMN, OUT, PLANE, ROW, VIA
from keras_route.chip.compiled.occupancy import jit


@jit
def geometry(at, entries, used, steps, kinds):
    """Return wires (w, 5: plane, x0, y0, x1, y1) and vias (v, 5) of a net, as `use` takes them.

    Steps that lead nowhere are left out. Runs of steps become one wire.

    Args:
        at: the occupancy.
        entries, used, steps: as `route_net` takes and returns them.
        kinds: (planes,) index into `Technology.vias` of the via of each level.
    """
    rows, columns = len(at.y), len(at.x)
    total = len(steps)
    ids = np.zeros((total, 2), np.int64)
    for k in range(total):
        a = (steps[k, 0] * rows + steps[k, 1]) * columns + steps[k, 2]
        b = (steps[k, 3] * rows + steps[k, 4]) * columns + steps[k, 5]
        ids[k, 0], ids[k, 1] = min(a, b), max(a, b)
    ids = _unique(ids)
    fixed = np.zeros(len(used), np.int64)
    n = 0
    for pin in range(len(used)):
        if used[pin] >= 0:
            e = entries[used[pin]]
            fixed[n] = (e[PLANE] * rows + e[ROW]) * columns + e[COLUMN]
            n += 1
    ids = _without_stubs(ids, np.sort(fixed[:n]))
    wires = np.zeros((len(ids) + len(used), 5), np.int64)
    vias = np.zeros((len(ids) + len(used), 5), np.int64)
    w = v = 0
    keys = np.zeros(len(ids), np.int64)
    for k in range(len(ids)):
        a, b = ids[k]
        i, j, p = a % columns, a // columns % rows, a // columns // rows
        level = b // columns // rows
        if level != p:
            vias[v, 0], vias[v, 1], vias[v, 2] = level, at.x[i], at.y[j]
            vias[v, 3] = kinds[level]
            v += 1
            keys[k] = -1
        elif at.horizontal[p]:
            keys[k] = (p * rows + j) * columns + i
        else:
            keys[k] = p * rows * columns + i * rows + j
    for k in np.argsort(keys, kind="mergesort"):
        if keys[k] < 0:
            continue
        a, b = ids[k]
        i, j, p = a % columns, a // columns % rows, a // columns // rows
        i1, j1 = b % columns, b // columns % rows
        x, y = at.x[i], at.y[j]
        if w and wires[w - 1, 0] == p and wires[w - 1, 3] == x and wires[w - 1, 4] == y:
            wires[w - 1, 3], wires[w - 1, 4] = at.x[i1], at.y[j1]
            continue
        wires[w, 0] = p
        wires[w, 1], wires[w, 2], wires[w, 3], wires[w, 4] = x, y, at.x[i1], at.y[j1]
        w += 1
    for pin in range(len(used)):
        if used[pin] < 0:
            continue
        e = entries[used[pin]]
        x, y = at.x[e[COLUMN]], at.y[e[ROW]]
        if e[VIA] >= 0:
            vias[v, 1], vias[v, 2], vias[v, 3], vias[v, 4] = e[AT_X], e[AT_Y], e[VIA], e[OUT]
            v += 1
        if x != e[AT_X] or y != e[AT_Y]:
            wires[w, 0] = e[PLANE]
            wires[w, 1], wires[w, 2] = min(x, e[AT_X]), min(y, e[AT_Y])
            wires[w, 3], wires[w, 4] = max(x, e[AT_X]), max(y, e[AT_Y])
            w += 1
    return _joined(wires[:w]), vias[:v]


@jit
def _unique(ids):
    """Return pairs sorted and once each."""
    order = np.argsort(ids[:, 1], kind="mergesort")
    ids = ids[order]
    ids = ids[np.argsort(ids[:, 0], kind="mergesort")]
    kept = 0
    for k in range(len(ids)):
        if k and ids[k, 0] == ids[kept - 1, 0] and ids[k, 1] == ids[kept - 1, 1]:
            continue
        ids[kept] = ids[k]
        kept += 1
    return ids[:kept].copy()


@jit
def _without_stubs(ids, fixed):
    """Leave out steps that end at a place that is neither fixed nor the end of another step."""
    alive = np.ones(len(ids), np.bool_)
    nodes = np.unique(ids.copy().reshape(-1))
    degree = np.zeros(len(nodes), np.int64)
    ends = np.zeros((len(ids), 2), np.int64)
    for k in range(len(ids)):
        for side in range(2):
            ends[k, side] = np.searchsorted(nodes, ids[k, side])
            degree[ends[k, side]] += 1
    for k in range(len(fixed)):
        place = np.searchsorted(nodes, fixed[k])
        if place < len(nodes) and nodes[place] == fixed[k]:
            degree[place] += 2
    changed = True
    while changed:
        changed = False
        for k in range(len(ids)):
            if alive[k] and (degree[ends[k, 0]] == 1 or degree[ends[k, 1]] == 1):
                alive[k] = False
                degree[ends[k, 0]] -= 1
                degree[ends[k, 1]] -= 1
                changed = True
    return ids[alive]


@jit
def _joined(wires):
    """Return wires with those of one line that touch as one."""
    count = len(wires)
    alive = np.ones(count, np.bool_)
    changed = True
    while changed:
        changed = False
        for a in range(count):
            if not alive[a]:
                continue
            for b in range(a + 1, count):
                if not alive[b] or wires[a, 0] != wires[b, 0]:
                    continue
                for k in range(2):  # along x, along y
                    other = 1 - k
                    straight = (
                        wires[a, 1 + other] == wires[a, 3 + other]
                        and wires[b, 1 + other] == wires[b, 3 + other]
                        and wires[a, 1 + other] == wires[b, 1 + other]
                    )
                    if (
                        straight
                        and wires[a, 1 + k] <= wires[b, 3 + k]
                        and wires[b, 1 + k] <= wires[a, 3 + k]
                    ):
                        wires[a, 1 + k] = min(wires[a, 1 + k], wires[b, 1 + k])
                        wires[a, 3 + k] = max(wires[a, 3 + k], wires[b, 3 + k])
                        alive[b] = False
                        changed = True
                        break
    return wires[alive]


@jit
def metal_of(at, wires, vias):
    """Return the plane and the box (n, 5) of each wire of a net and each metal of its vias.

    Args:
        at: the occupancy.
        wires: (w, 5) of the net: plane, x0, y0, x1, y1.
        vias: (v, 5) of the net, as `use` takes them.
    """
    boxes = np.zeros((len(wires) + 2 * len(vias), 5), np.int64)
    n = 0
    for k in range(len(wires)):
        half = at.half_width[wires[k, 0]]
        boxes[n, 0] = wires[k, 0]
        boxes[n, 1], boxes[n, 2] = wires[k, 1] - half, wires[k, 2] - half
        boxes[n, 3], boxes[n, 4] = wires[k, 3] + half, wires[k, 4] + half
        n += 1
    for k in range(len(vias)):
        level, x, y = vias[k, 0], vias[k, 1], vias[k, 2]
        for plane, box in ((level, at.above[level]), (level - 1, at.below[level])):
            if plane >= 0:
                boxes[n, 0] = plane
                boxes[n, 1], boxes[n, 2] = x + box[0], y + box[1]
                boxes[n, 3], boxes[n, 4] = x + box[2], y + box[3]
                n += 1
    return boxes[:n]


@jit
def patches(at, boxes):
    """Return wires that close the gaps along tracks between metal of one net.

    Within a net, too, metal that does not touch keeps the space of its layer. No other net can have
    metal in a gap that is narrower.

    Args:
        at: the occupancy.
        boxes: of `metal_of` the net.
    """
    n = len(boxes)
    found = np.zeros((n, 5), np.int64)
    count = 0
    for a in range(n):
        plane = boxes[a, 0]
        along = 1 if at.horizontal[plane] else 2
        across = 3 - along
        middle = (boxes[a, across] + boxes[a, across + 2]) // 2
        best = at.space[plane]
        for b in range(n):
            if boxes[b, 0] != plane:
                continue
            if (boxes[b, across] + boxes[b, across + 2]) // 2 != middle:
                continue
            goes_on = boxes[b, along + 2] > boxes[a, along + 2]
            goes_on |= boxes[b, along + 2] == boxes[a, along + 2] and b > a
            if boxes[b, along] <= boxes[a, along + 2] and goes_on:
                best = 0
                break
            gap = boxes[b, along] - boxes[a, along + 2]
            if 0 < gap < best:
                best = gap
        if best <= 0 or best >= at.space[plane]:
            continue
        # The ends of the wire reach half its width beyond, into the metal on both sides.
        found[count, 0] = plane
        found[count, along] = boxes[a, along + 2]
        found[count, along + 2] = boxes[a, along + 2] + best
        found[count, across] = found[count, across + 2] = middle
        count += 1
    return found[:count]
