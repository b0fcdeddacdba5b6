"""A lower bound of what is left of a path."""

import numpy as np

from keras_route.chip.compiled.occupancy import jit


@jit
def least_vias(at, prices, on_goal):
    """Return the least price of vias from a plane to the goals, (planes, 2, 2) integers.

    The second index tells whether the way runs along x, for which it must visit a horizontal plane,
    the third whether it runs along y.

    Args:
        on_goal: (planes,) whether a goal lies on the plane.
    """
    planes = len(on_goal)
    height = np.zeros(planes, np.int64)
    for p in range(1, planes):
        height[p] = height[p - 1] + prices.via[p]
    least = np.full((planes, 2, 2), np.int64(1) << 40)
    for p in range(planes):
        for turn in range(planes):
            for goal in range(planes):
                if not on_goal[goal]:
                    continue
                price = abs(height[turn] - height[p]) + abs(height[goal] - height[turn])
                first, last = min(p, turn, goal), max(p, turn, goal)
                flat = upright = 0
                for visited in range(first, last + 1):
                    if at.horizontal[visited]:
                        flat = 1
                    else:
                        upright = 1
                for along_x in range(flat + 1):
                    for along_y in range(upright + 1):
                        if price < least[p, along_x, along_y]:
                            least[p, along_x, along_y] = price
    return least


@jit
def bound(at, low, high, least, haste, plane, row, column):
    """Return a lower bound of the way from a place to the box of the goals, enlarged by `haste`."""
    x, y = at.x[column], at.y[row]
    dx = max(low[0] - x, 0, x - high[0])
    dy = max(low[1] - y, 0, y - high[1])
    bound = dx + dy + least[plane, 1 if dx > 0 else 0, 1 if dy > 0 else 0]
    return bound + (bound * haste >> 4)
