"""The space between the vias of one net."""

from keras_route.chip.compiled.occupancy import jit
from keras_route.chip.compiled.window import FALL, START, place_before


@jit
def mark_own_vias(at, window, own_vias, search):
    """Close the places of vias that would be too close to vias of the net, but not on them."""
    planes, rows, columns = window.size
    for k in range(len(own_vias)):
        level, row, column = own_vias[k]
        reach_x = at.cut_space[level] + at.cut[level, 2] - at.cut[level, 0]
        reach_y = at.cut_space[level] + at.cut[level, 3] - at.cut[level, 1]
        x, y = at.x[column], at.y[row]
        for j in range(max(window.corner[0], row - 8), min(window.corner[0] + rows, row + 9)):
            if abs(at.y[j] - y) >= reach_y:
                continue
            for i in range(
                max(window.corner[1], column - 12), min(window.corner[1] + columns, column + 13)
            ):
                if abs(at.x[i] - x) < reach_x and (i != column or j != row):
                    place = (level * rows + j - window.corner[0]) * columns + i - window.corner[1]
                    window.own_stamp[place] = search


@jit
def mark_banned(window, banned, search):
    _, rows, columns = window.size
    for k in range(len(banned)):
        level, j, i = banned[k, 0], banned[k, 1] - window.corner[0], banned[k, 2] - window.corner[1]
        if 0 <= j < rows and 0 <= i < columns:
            window.own_stamp[(level * rows + j) * columns + i] = search


@jit
def via_too_close(at, path, count):
    """Return the index in a path at which a via is too close to an earlier one; -1 for none.

    A search checks the way that it knows when it takes a via. A cheaper way to the same place that
    is found later can have another via there.
    """
    for k in range(1, count):
        if path[k, 0] == path[k - 1, 0]:
            continue
        level = max(path[k, 0], path[k - 1, 0])
        wide = at.cut_space[level] + at.cut[level, 2] - at.cut[level, 0]
        high = at.cut_space[level] + at.cut[level, 3] - at.cut[level, 1]
        for m in range(1, k):
            if path[m, 0] == path[m - 1, 0] or max(path[m, 0], path[m - 1, 0]) != level:
                continue
            dx = abs(at.x[path[m, 2]] - at.x[path[k, 2]])
            dy = abs(at.y[path[m, 1]] - at.y[path[k, 1]])
            if dx < wide and dy < high and dx + dy > 0:
                return k
    return -1


@jit
def too_close(at, window, search, place, level, j, i):
    """Return whether a via would be too close to one of the net, or of the way so far."""
    _, rows, columns = window.size
    row0, column0 = window.corner
    here = (level * rows + j) * columns + i
    if window.own_stamp[here] == search:
        return True
    reach_x = at.cut_space[level] + at.cut[level, 2] - at.cut[level, 0]
    reach_y = at.cut_space[level] + at.cut[level, 3] - at.cut[level, 1]
    x, y = at.x[i + column0], at.y[j + row0]
    while True:
        step = window.came[place]
        if step == START:
            return False
        i = place % columns
        j = place // columns % rows
        p = place // columns // rows
        if abs(at.x[i + column0] - x) >= reach_x or abs(at.y[j + row0] - y) >= reach_y:
            return False
        if step >= FALL and max(p, p - (2 * step - 9)) == level:
            return True
        place = place_before(step, p, j, i, rows, columns)
