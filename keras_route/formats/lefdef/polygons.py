"""Polygons as rectangles."""

import numpy as np


def rectangles(corners: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) that cover a polygon of integer corners (m, 2).

    If all its sides run along x or y, their union is the polygon. Slanted sides lie in the boxes.
    """
    edges = [
        (min(a, b, key=lambda p: p[1]), max(a, b, key=lambda p: p[1]))
        for a, b in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True)
        if a[1] != b[1]
    ]
    levels = sorted({y for edge in edges for _, y in edge})
    boxes: list[list[int]] = []
    for low, high in zip(levels, levels[1:], strict=False):
        crossings = sorted(
            (_at(edge, (low + high) / 2), _at(edge, low), _at(edge, high))
            for edge in edges
            if edge[0][1] <= low and edge[1][1] >= high
        )
        for left, right in zip(crossings[::2], crossings[1::2], strict=False):
            box = [int(np.floor(min(left))), low, int(np.ceil(max(right))), high]
            boxes.append(box)
    return np.array(_joined(boxes), np.int64).reshape(-1, 4)


def _at(edge, y):
    (x0, y0), (x1, y1) = edge
    return x0 + (x1 - x0) * (y - y0) / (y1 - y0)


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
