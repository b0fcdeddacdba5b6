"""The cheapest path from one part of a net to another, on the lattice of a design."""

from typing import NamedTuple

import numpy as np

from keras_route.chip.occupancy import FREE, jit

LEFT, RIGHT, DOWN, UP, FALL, RISE, START = range(7)
NONE = np.int32(-1)


class Window(NamedTuple):
    """A part of the lattice, and the marks of the searches in it.

    A place is the integer `(plane * rows + row) * columns + column`, counted within the window. A
    mark counts only if its stamp is that of the search, so that no array is cleared.

    Args:
        corner: (row, column) of the lowest place.
        size: (planes, rows, columns).
        stamp: (places,) int32, the last search that reached each place.
        cost: (places,) int32, the cost of the way to it.
        came: (places,) int8, the step that led to it.
        goal_stamp: (places,) int32, the last search for which it is a goal.
        goal_cost: (places,) int32, what arriving there costs.
        own_stamp: (places,) int32, the last search in which a via of the net is too close.
        open_stamp: (places,) int32, the last search whose guides hold the place.
        search: (1,) int32, the number of searches so far.
        keys, heap: the heap, keys and places.
    """

    corner: np.ndarray
    size: np.ndarray
    stamp: np.ndarray
    cost: np.ndarray
    came: np.ndarray
    goal_stamp: np.ndarray
    goal_cost: np.ndarray
    own_stamp: np.ndarray
    open_stamp: np.ndarray
    search: np.ndarray
    keys: np.ndarray
    heap: np.ndarray


class Prices(NamedTuple):
    """What a search pays, in database units of wire.

    Args:
        wire: (planes,) int64, of a unit of wire, at least 1.
        via: (planes,) int64, of a via of each level.
        fight: of a place that another net needs, and again for each time nets fought over it.
        haste: sixteenths by which the bound of the way that is left is enlarged; a path costs at
            most as much more than the cheapest.
    """

    wire: np.ndarray
    via: np.ndarray
    fight: int
    haste: int


def window_of(places: int) -> Window:
    """Return a window with room for a number of places."""
    return Window(
        corner=np.zeros(2, np.int64),
        size=np.zeros(3, np.int64),
        stamp=np.zeros(places, np.int32),
        cost=np.zeros(places, np.int32),
        came=np.zeros(places, np.int8),
        goal_stamp=np.zeros(places, np.int32),
        goal_cost=np.zeros(places, np.int32),
        own_stamp=np.zeros(places, np.int32),
        open_stamp=np.zeros(places, np.int32),
        search=np.zeros(1, np.int32),
        keys=np.zeros(places + 1024, np.int64),
        heap=np.zeros(places + 1024, np.int64),
    )


@jit
def _push(keys, heap, count, key, place):
    i = count
    while i > 0:
        above = (i - 1) >> 1
        if keys[above] <= key:
            break
        keys[i], heap[i] = keys[above], heap[above]
        i = above
    keys[i], heap[i] = key, place
    return count + 1


@jit
def _pop(keys, heap, count):
    """Remove the first element, at index 0; return the number of those left."""
    count -= 1
    key, place = keys[count], heap[count]
    i = 0
    while True:
        below = 2 * i + 1
        if below >= count:
            break
        if below + 1 < count and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[i], heap[i] = keys[below], heap[below]
        i = below
    keys[i], heap[i] = key, place
    return count


@jit
def _least_vias(at, prices, on_goal):
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
def _bound(at, low, high, least, haste, plane, row, column):
    """Return a lower bound of the way from a place to the box of the goals, enlarged by `haste`."""
    x, y = at.x[column], at.y[row]
    dx = max(low[0] - x, 0, x - high[0])
    dy = max(low[1] - y, 0, y - high[1])
    bound = dx + dy + least[plane, 1 if dx > 0 else 0, 1 if dy > 0 else 0]
    return bound + (bound * haste >> 4)


@jit
def cheapest_path(at, window, prices, net, sources, goals, own_vias, banned, guides, path):
    """Find the cheapest path from the sources to a goal.

    Args:
        at: the occupancy; places that fixed shapes take from the net are closed.
        window: within which the path stays.
        prices: what it pays. A unit of wire costs 1 or more, so that the bound holds.
        net: index of the net.
        sources: (s, 4) integers: plane, row, column, and the cost of starting there.
        goals: (g, 4) integers: plane, row, column, and the cost of arriving there.
        own_vias: (v, 3) integers: level, row, column of vias that the net has.
        banned: (k, 3) integers: level, row, column of vias that the path must not have.
        guides: (b, 5) integers, boxes in which the path stays: plane, first row and column, and the
            row and column behind the last; empty for none.
        path: (n, 3) integers, gets plane, row, column of the places, from the goal to the source.

    Returns:
        The number of places of the path; 0 if there is none, -1 if `path` is too short.
    """
    planes, rows, columns = window.size
    row0, column0 = window.corner
    window.search[0] += 1
    search = window.search[0]
    keys, heap = window.keys, window.heap
    low = np.array([at.x[goals[0, 2]], at.y[goals[0, 1]]])
    high = low.copy()
    on_goal = np.zeros(planes, np.bool_)
    for k in range(len(goals)):
        p, j, i = goals[k, 0], goals[k, 1] - row0, goals[k, 2] - column0
        if not (0 <= j < rows and 0 <= i < columns):
            continue
        on_goal[p] = True
        place = (p * rows + j) * columns + i
        if window.goal_stamp[place] != search or window.goal_cost[place] > goals[k, 3]:
            window.goal_stamp[place] = search
            window.goal_cost[place] = goals[k, 3]
        x, y = at.x[goals[k, 2]], at.y[goals[k, 1]]
        low[0], low[1] = min(low[0], x), min(low[1], y)
        high[0], high[1] = max(high[0], x), max(high[1], y)
    _mark_own_vias(at, window, own_vias, search)
    _mark_banned(window, banned, search)
    _open_guides(window, guides, search)
    guided = len(guides) > 0
    open_stamp = window.open_stamp
    least = _least_vias(at, prices, on_goal)
    fixed_wire, fixed_via = at.fixed_wire, at.fixed_via
    use_wire, use_via = at.use_wire, at.use_via
    count = 0
    room = len(keys) - 8
    for k in range(len(sources)):
        p, j, i = sources[k, 0], sources[k, 1] - row0, sources[k, 2] - column0
        if not (0 <= j < rows and 0 <= i < columns) or count >= room:
            continue
        place = (p * rows + j) * columns + i
        cost = sources[k, 3]
        if window.stamp[place] == search and window.cost[place] <= cost:
            continue
        window.stamp[place], window.cost[place], window.came[place] = search, cost, START
        rest = _bound(at, low, high, least, prices.haste, p, sources[k, 1], sources[k, 2])
        packed = (p << 32) | (j << 16) | i
        count = _push(keys, heap, count, ((cost + rest) << 20) + min(rest >> 4, 1048575), packed)
    best, best_place = np.int64(1 << 40), np.int64(-1)
    stamp, costs, came = window.stamp, window.cost, window.came
    while count > 0:
        key, packed = keys[0], heap[0]
        if (key >> 20) >= best:
            break
        count = _pop(keys, heap, count)
        i, j, p = packed & 0xFFFF, (packed >> 16) & 0xFFFF, packed >> 32
        place = (p * rows + j) * columns + i
        cost = np.int64(costs[place])
        if window.goal_stamp[place] == search and cost + window.goal_cost[place] < best:
            best, best_place = cost + window.goal_cost[place], place
        rest = _bound(at, low, high, least, prices.haste, p, j + row0, i + column0)
        if (key >> 20) > cost + rest:
            continue  # reached at less cost since
        horizontal = at.horizontal[p]
        for step in range(4):
            to_p, to_j, to_i = p, j, i
            price = np.int64(0)
            if step >= 2:
                to_p += 2 * step - 5
                if to_p < 0 or to_p >= planes:
                    continue
                to = (to_p * rows + j) * columns + i
                level = max(p, to_p)
                price = prices.via[level]
                if stamp[to] == search and costs[to] <= cost + price:
                    continue
                owner = fixed_via[level, j + row0, i + column0]
                if owner != FREE and owner != net:
                    continue
                if use_via[level, j + row0, i + column0] > 0:
                    past = np.int64(at.past_via[level, j + row0, i + column0])
                    price += prices.fight * (1 + past)
            elif horizontal:
                to_i += 2 * step - 1
                if to_i < 0 or to_i >= columns:
                    continue
                to = place + 2 * step - 1
                price = abs(at.x[to_i + column0] - at.x[i + column0]) * prices.wire[p]
            else:
                to_j += 2 * step - 1
                if to_j < 0 or to_j >= rows:
                    continue
                to = place + (2 * step - 1) * columns
                price = abs(at.y[to_j + row0] - at.y[j + row0]) * prices.wire[p]
            total = cost + price
            if stamp[to] == search and costs[to] <= total:
                continue
            if guided and open_stamp[to] != search:
                continue
            owner = fixed_wire[to_p, to_j + row0, to_i + column0]
            if owner != FREE and owner != net:
                continue
            if use_wire[to_p, to_j + row0, to_i + column0] > 0:
                past = np.int64(at.past_wire[to_p, to_j + row0, to_i + column0])
                total += prices.fight * (1 + past)
                if stamp[to] == search and costs[to] <= total:
                    continue
            if total > 1 << 30 or count >= room:
                continue
            if step >= 2 and _too_close(at, window, search, place, max(p, to_p), j, i):
                continue
            stamp[to], costs[to] = search, total
            came[to] = step + 2 if step >= 2 else (step if horizontal else step + 2)
            rest = _bound(at, low, high, least, prices.haste, to_p, to_j + row0, to_i + column0)
            packed = (to_p << 32) | (to_j << 16) | to_i
            count = _push(
                keys, heap, count, ((total + rest) << 20) + min(rest >> 4, 1048575), packed
            )
    if best_place < 0:
        return 0
    return _traced(window, best_place, path)


@jit
def _traced(window, place, path):
    _, rows, columns = window.size
    count = 0
    while True:
        if count == len(path):
            return -1
        i = place % columns
        j = place // columns % rows
        p = place // columns // rows
        path[count, 0], path[count, 1], path[count, 2] = (
            p,
            j + window.corner[0],
            i + window.corner[1],
        )
        count += 1
        step = window.came[place]
        if step == START:
            return count
        place = _before(step, p, j, i, rows, columns)


@jit
def _before(step, p, j, i, rows, columns):
    if step < 2:
        i -= 2 * step - 1
    elif step < 4:
        j -= 2 * step - 5
    else:
        p -= 2 * step - 9
    return (p * rows + j) * columns + i


@jit
def _open_guides(window, guides, search):
    """Mark the places of the window that the guides hold."""
    _, rows, columns = window.size
    row0, column0 = window.corner
    for k in range(len(guides)):
        for j in range(max(guides[k, 1] - row0, 0), min(guides[k, 3] - row0, rows)):
            start = (guides[k, 0] * rows + j) * columns
            for i in range(max(guides[k, 2] - column0, 0), min(guides[k, 4] - column0, columns)):
                window.open_stamp[start + i] = search


@jit
def _mark_own_vias(at, window, own_vias, search):
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
def _mark_banned(window, banned, search):
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
def _too_close(at, window, search, place, level, j, i):
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
        place = _before(step, p, j, i, rows, columns)
