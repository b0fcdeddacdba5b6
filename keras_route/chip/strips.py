"""Parts of a design whose nets are routed at the same time."""

import dataclasses
from collections.abc import Iterable

import numpy as np

STRIP_UM = 60.0
GUARD_UM = 2.0  # farther than any shape reaches for which a place is taken


@dataclasses.dataclass(frozen=True)
class Strip:
    """Columns of the lattice that one worker has for itself.

    Args:
        first, behind: columns that the searches stay in.
        nets: to route, in order.
    """

    first: int
    behind: int
    nets: list[int]


def strips(
    nets: Iterable[int], spans: dict[int, tuple[int, int]], x: np.ndarray, dbu_per_um: int
) -> tuple[list[list[Strip]], list[int]]:
    """Divide nets into strips, so that what is routed in one does not depend on the others.

    There are two divisions, one after the other; the strips of the second lie across the borders of
    the first.

    Args:
        nets: in the order of work.
        spans: least and largest x that each net needs, in database units.
        x: coordinates of the columns.
        dbu_per_um: database units in a micrometre.

    Returns:
        The strips of both divisions, and the nets that fit into none, in order.
    """
    width, guard = STRIP_UM * dbu_per_um, GUARD_UM * dbu_per_um
    left, right = float(x[0]), float(x[-1])
    count = max(1, round((right - left) / width))
    width = (right - left) / count
    left_over = list(nets)
    if count == 1:
        return [], left_over
    divisions = []
    for shift in (0.0, 0.5):
        edges = left + width * (np.arange(count + 1 - (shift > 0)) + shift)
        lows, highs = edges[:-1] + guard, edges[1:] - guard
        if not shift:
            lows[0], highs[-1] = left, right
        members: list[list[int]] = [[] for _ in lows]
        rest = []
        for net in left_over:
            low, high = spans[net]
            at = int(np.searchsorted(lows, low, side="right")) - 1
            if at >= 0 and high <= highs[at]:
                members[at].append(net)
            else:
                rest.append(net)
        limits = np.searchsorted(x, lows), np.searchsorted(x, highs, side="right")
        divisions.append(
            [Strip(int(a), int(b), part) for a, b, part in zip(*limits, members, strict=True)]
        )
        left_over = rest
    return divisions, left_over
