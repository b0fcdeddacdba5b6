"""The space between the wires of a net and the pins of the same net."""

import numpy as np

from keras_route.chip.compiled.occupancy import TAKEN, jit, places_around


@jit
def keep_off_own_pins(at, planes, boxes, spaces, nets):
    """Close the places at which metal of a net comes too close to its pins without touching them.

    A wire on a track that meets the pin stays allowed: it ends in the pin, or `pin_patches` closes
    the gap.

    Args:
        at: the occupancy, with the fixed shapes.
        planes: (n,) plane of each shape of pins, 0 or more; sorted by net.
        boxes: (n, 4).
        spaces: (n,) that others keep to each.
        nets: (n,) index of the net.
    """
    start = 0
    for n in range(len(planes)):
        if nets[n] != nets[start]:
            start = n
        stop = n + 1
        while stop < len(nets) and nets[stop] == nets[n]:
            stop += 1
        plane, net = planes[n], nets[n]
        half = at.half_width[plane]
        wire = (-half, -half, half, half)
        own = boxes[start:stop][planes[start:stop] == plane]
        _close(at, at.fixed_wire[plane], plane, wire, boxes[n], spaces[n], net, own)
        _close(at, at.fixed_via[plane], plane, at.above[plane], boxes[n], spaces[n], net, own)
        if plane + 1 < len(at.horizontal):
            below = at.below[plane + 1]
            _close(at, at.fixed_via[plane + 1], plane, below, boxes[n], spaces[n], net, own)


@jit
def _close(at, owners, plane, shape, box, space, net, own):
    """Close the places of a net where `shape` is too close to a pin of it, see above."""
    half = at.half_width[plane]
    across = 1 if at.horizontal[plane] else 0
    narrow = -half <= shape[across] and shape[across + 2] <= half
    rows, columns = places_around(at, box, shape, space)
    for j in range(rows[0], rows[1]):
        for i in range(columns[0], columns[1]):
            if owners[j, i] != net:
                continue
            x, y = at.x[i], at.y[j]
            track = y if across else x
            if narrow and box[across] < track + half and track - half < box[across + 2]:
                continue
            metal = (x + shape[0], y + shape[1], x + shape[2], y + shape[3])
            if not _touches(metal, own):
                owners[j, i] = TAKEN


@jit
def _touches(box, own):
    """Return whether a box overlaps one of some boxes or shares a part of a side."""
    for k in range(len(own)):
        dx = max(own[k, 0] - box[2], box[0] - own[k, 2])
        dy = max(own[k, 1] - box[3], box[1] - own[k, 3])
        if max(dx, dy) <= 0 and min(dx, dy) < 0:
            return True
    return False


@jit
def pin_patches(at, boxes, planes, pins, spaces):
    """Return wires (p, 5: plane, x0, y0, x1, y1) that close gaps along tracks to pins of the net.

    Args:
        at: the occupancy.
        boxes: (n, 5) plane and box of the wires and vias of the net.
        planes: (k,) plane of each shape of its pins.
        pins: (k, 4) their boxes.
        spaces: (k,) that others keep to each.
    """
    found = np.zeros((len(boxes) * len(pins), 5), np.int64)
    count = 0
    for a in range(len(boxes)):
        plane = boxes[a, 0]
        along = 1 if at.horizontal[plane] else 2
        across = 3 - along
        middle = (boxes[a, across] + boxes[a, across + 2]) // 2
        half = at.half_width[plane]
        for k in range(len(pins)):
            if planes[k] != plane:
                continue
            if middle + half <= pins[k, across - 1] or pins[k, across + 1] <= middle - half:
                continue
            low = min(boxes[a, along + 2], pins[k, along + 1])
            high = max(boxes[a, along], pins[k, along - 1])
            if not 0 < high - low < spaces[k] or _covered(boxes, plane, along, middle, low, high):
                continue
            found[count, 0] = plane
            found[count, along], found[count, along + 2] = low, high
            found[count, across] = found[count, across + 2] = middle
            count += 1
    return found[:count]


@jit
def _covered(boxes, plane, along, middle, low, high):
    """Return whether metal on the same track covers a gap."""
    across = 3 - along
    for b in range(len(boxes)):
        same = boxes[b, 0] == plane
        same &= (boxes[b, across] + boxes[b, across + 2]) // 2 == middle
        if same and boxes[b, along] <= low and high <= boxes[b, along + 2]:
            return True
    return False
