"""The exact length of the shortest rectilinear tree that joins points."""

from collections.abc import Iterable

import numpy as np

MOST_POINTS = 9


def steiner_length(points: Iterable[tuple[float, float]]) -> float:
    """Return the length of the shortest tree of horizontal and vertical wires between points.

    A shortest tree lies on the grid through the points (Hanan, 1966). A dynamic program over
    subsets of the points finds it there (Dreyfus and Wagner, 1971). A tree that joins a subset to
    a node consists of two trees, which join the halves of the subset to another node, and of a wire
    between the two nodes.

    Args:
        points: `(x, y)` in any unit; repeated points count once.

    Returns:
        Length in that unit; 0 for a single point.

    Raises:
        ValueError: there are no points, or more than 9 different points. Each point triples the
            work.
    """
    points = sorted({(x, y) for x, y in points})
    if not 1 <= len(points) <= MOST_POINTS:
        raise ValueError(
            f"The exact search takes 1 to {MOST_POINTS} different points: compare larger nets "
            f"with another bound. Received: {len(points)} different points"
        )
    xs, ys = (np.unique(axis) for axis in zip(*points, strict=True))
    if len(points) <= 3:  # three points meet at the middle of each axis
        return float(np.ptp(xs) + np.ptp(ys))
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    distance = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
    terminals = [np.flatnonzero((x == a) & (y == b))[0] for a, b in points]
    *others, last = terminals
    length = np.empty((1 << len(others), len(x)))  # of subset, as a bit mask, to node
    for subset in range(1, len(length)):
        if subset & (subset - 1) == 0:
            length[subset] = distance[others[subset.bit_length() - 1]]
        else:
            half = np.array(halves(subset))
            joined = (length[half] + length[subset - half]).min(axis=0)
            length[subset] = (joined + distance).min(axis=1)
    return float(length[-1, last])


def halves(subset: int) -> list[int]:
    """Return the proper subsets of a bit mask that hold its lowest bit."""
    lowest = subset & -subset
    rest = half = subset - lowest
    found = []
    while half:
        half = (half - 1) & rest
        found.append(half + lowest)
    return found
