"""Which pins of a net are joined by its own metal and cuts."""

import dataclasses

import numpy as np

from keras_route.drc.flat_layout import NO_PIN, FlatLayout

CHUNK = 1 << 22  # pairs compared at once


@dataclasses.dataclass(frozen=True)
class NetPieces:
    """The connected pieces of a net.

    Args:
        net: its number.
        pieces: for each piece, the numbers of its pins; the largest first, then islands of metal
            without any pin.
        boxes: for each piece, its bounding box in database units.
        reached: numbers of the pins that metal of the net touches on their own shapes.
        metal: whether the net has any wire or via.
    """

    net: int
    pieces: tuple[tuple[int, ...], ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    reached: frozenset[int]
    metal: bool


def net_pieces(flat: FlatLayout):
    """Yield the `NetPieces` of each signal net with shapes."""
    order = np.argsort(flat.boxes[:, 5], kind="stable")
    boxes = flat.boxes[order]
    starts = np.flatnonzero(np.diff(boxes[:, 5], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(boxes)], strict=True):
        yield _pieces(boxes[start:end])


def _pieces(boxes):
    pins = boxes[:, 6]
    parent = list(range(len(boxes)))

    def root(index):
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first = {}
    for index, pin in enumerate(pins.tolist()):
        if pin != NO_PIN:  # a cell joins all shapes of its pin
            parent[root(index)] = root(first.setdefault(pin, index))
    reached = set()
    for one, other in _touching(boxes):
        parent[root(one)] = root(other)
        if (pins[one] == NO_PIN) != (pins[other] == NO_PIN):
            reached.add(int(max(pins[one], pins[other])))
    groups = {}
    for index in range(len(boxes)):
        groups.setdefault(root(index), []).append(index)
    found = []
    for members in groups.values():
        names = sorted({int(pin) for pin in pins[members]} - {NO_PIN})
        part = boxes[members]
        box = (*part[:, 1:3].min(axis=0).tolist(), *part[:, 3:5].max(axis=0).tolist())
        found.append((tuple(names), box))
    found.sort(key=lambda piece: -len(piece[0]))
    metal = bool((pins == NO_PIN).any())
    pieces, places = zip(*found, strict=True)
    return NetPieces(int(boxes[0, 5]), pieces, places, frozenset(reached), metal)


def _touching(boxes):
    """Yield pairs of shapes that conduct: same layer along an edge, neighbouring layers by area."""
    step = max(1, CHUNK // len(boxes))
    layer, left, bottom, right, top = boxes[:, :5].T
    for start in range(0, len(boxes), step):
        part = slice(start, start + step)
        wide = np.minimum(right[part, None], right) - np.maximum(left[part, None], left)
        high = np.minimum(top[part, None], top) - np.maximum(bottom[part, None], bottom)
        apart = np.abs(layer[part, None] - layer)
        touch = (wide >= 0) & (high >= 0)
        same = touch & (apart == 0) & ((wide > 0) | (high > 0))
        joined = same | (touch & (apart == 1) & (wide > 0) & (high > 0))
        ones, others = np.nonzero(joined)
        ones += start
        before = ones < others
        yield from zip(ones[before].tolist(), others[before].tolist(), strict=True)
