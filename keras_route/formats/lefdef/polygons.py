"""Polygons as rectangles."""

import math

import numpy as np

SLICES = 4  # in which a stripe with slanted sides is cut


def rectangles(*contours: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) that cover a polygon of integer corners (m, 2).

    If all its sides run along x or y, their union is the polygon. Slanted sides lie in the boxes.
    What lies in two contours is in none.
    """
    found = _stretches([edge for corners in contours for edge in _edges(corners)])
    outer = ((min(left), low, max(right), high) for low, high, left, right in found)
    return _boxes([box for box in outer if box[0] < box[2]])


def inner_rectangles(corners: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) within a polygon; they leave out parts of it along slanted sides."""
    found = _stretches(_edges(corners))
    inner = ((math.ceil(max(a)), low, math.floor(min(b)), high) for low, high, a, b in found)
    return _boxes([box for box in inner if box[0] < box[2]])


def is_rectilinear(corners: np.ndarray) -> bool:
    """Return whether all sides run along x or y."""
    return bool((corners == np.roll(corners, -1, axis=0)).any(axis=1).all())


def _edges(corners):
    """Return the sides that are not horizontal, as lists (x0, y0, x1, y1) with y0 < y1."""
    ends = zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True)
    return [(*a, *b) if a[1] < b[1] else (*b, *a) for a, b in ends if a[1] != b[1]]


def _stretches(edges):
    """Yield (low, high, left side's x at both, right side's x at both) of stripes of a polygon."""
    x0, y0, x1, y1 = np.array(edges, np.int64).reshape(-1, 4).T
    slices = SLICES if (x0 != x1).any() else 1
    for low, high in _stripes({*y0.tolist(), *y1.tolist()}, slices):
        crossed = np.flatnonzero((y0 <= low) & (y1 >= high))
        crossings = sorted(
            (_at(edge, low) + _at(edge, high), _at(edge, low), _at(edge, high))
            for edge in (edges[i] for i in crossed)
        )
        for left, right in zip(crossings[::2], crossings[1::2], strict=False):
            yield low, high, left[1:], right[1:]


def _stripes(levels, slices):
    levels = sorted(levels)
    for low, high in zip(levels, levels[1:], strict=False):
        cuts = sorted({low + (high - low) * k // slices for k in range(slices + 1)})
        yield from zip(cuts, cuts[1:], strict=False)


def _at(edge, y):
    x0, y0, x1, y1 = edge
    return x0 + (x1 - x0) * (y - y0) / (y1 - y0)


def _boxes(boxes):
    whole = [(math.floor(x0), y0, math.ceil(x1), y1) for x0, y0, x1, y1 in boxes]
    return np.array(_joined(whole), np.int64).reshape(-1, 4)


def _joined(boxes):
    """Join boxes that stand on each other."""
    done: dict[tuple[int, int, int], list[int]] = {}
    for left, low, right, high in boxes:
        below = done.pop((left, right, low), None)
        box = [left, below[1] if below else low, right, high]
        done[left, right, high] = box
    return list(done.values())


def inside(corners: np.ndarray) -> np.ndarray:
    """Return a point inside a polygon, given as its corners (n, 2).

    Its height is half-way between the two lowest heights of corners. At that height, it lies in the
    middle of the polygon's first stretch.
    """
    level = np.unique(corners[:, 1])[:2].mean()
    crossings = [
        x0 + (level - y0) * (x1 - x0) / (y1 - y0)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        if (y0 < level) != (y1 < level)
    ]
    return np.array((np.mean(sorted(crossings)[:2]), level))
