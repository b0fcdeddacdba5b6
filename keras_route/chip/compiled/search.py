"""The cheapest path from one part of a net to another, on the lattice of a design."""

import numpy as np

from keras_route.chip.compiled.bounds import bound, least_vias
from keras_route.chip.compiled.heap import pop, push
from keras_route.chip.compiled.occupancy import FREE, jit
from keras_route.chip.compiled.via_spacing import mark_banned, mark_own_vias, too_close
from keras_route.chip.compiled.window import DOWN, FALL, LEFT, START, place_before

DEAREST = 1 << 30  # of a path
NEVER = np.int64(1) << 40


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
    low, high, on_goal = _set_goals(at, window, goals, search)
    mark_own_vias(at, window, own_vias, search)
    mark_banned(window, banned, search)
    _open_guides(window, guides, search)
    least = least_vias(at, prices, on_goal)
    # One loop without calls for each step, because a call hands over some thirty arrays.
    fixed_wire, fixed_via = at.fixed_wire, at.fixed_via
    use_wire, use_via = at.use_wire, at.use_via
    keys, heap, stamp, costs, came = (
        window.keys,
        window.heap,
        window.stamp,
        window.cost,
        window.came,
    )
    count = _start(at, window, prices, sources, search, low, high, least)
    guided = len(guides) > 0
    best, best_place = NEVER, np.int64(-1)
    while count > 0:
        key, packed = keys[0], heap[0]
        if (key >> 20) >= best:
            break
        count = pop(keys, heap, count)
        i, j, p = packed & 0xFFFF, (packed >> 16) & 0xFFFF, packed >> 32
        row, column = j + row0, i + column0
        place = (p * rows + j) * columns + i
        cost = np.int64(costs[place])
        if window.goal_stamp[place] == search and cost + window.goal_cost[place] < best:
            best, best_place = cost + window.goal_cost[place], place
        left = bound(at, low, high, least, prices.haste, p, row, column)
        if (key >> 20) > cost + left:
            continue  # reached at less cost since
        horizontal = at.horizontal[p]
        for step in range(LEFT, START):
            to_p, to_j, to_i = p, j, i
            if step >= FALL:
                to_p += 2 * step - 9
                if to_p < 0 or to_p >= planes:
                    continue
                level = max(p, to_p)
                total = cost + prices.via[level]
            elif (step < DOWN) != horizontal:
                continue
            elif horizontal:
                to_i += 2 * step - 1
                if to_i < 0 or to_i >= columns:
                    continue
                total = cost + abs(at.x[to_i + column0] - at.x[column]) * prices.wire[p]
            else:
                to_j += 2 * step - 5
                if to_j < 0 or to_j >= rows:
                    continue
                total = cost + abs(at.y[to_j + row0] - at.y[row]) * prices.wire[p]
            to = (to_p * rows + to_j) * columns + to_i
            if stamp[to] == search and costs[to] <= total:
                continue
            if guided and window.open_stamp[to] != search:
                continue
            owner = fixed_wire[to_p, to_j + row0, to_i + column0]
            if owner != FREE and owner != net:
                continue
            if use_wire[to_p, to_j + row0, to_i + column0] > 0:
                past = np.int64(at.past_wire[to_p, to_j + row0, to_i + column0])
                total += prices.fight * (1 + past)
            if step >= FALL:
                owner = fixed_via[level, row, column]
                if owner != FREE and owner != net:
                    continue
                if use_via[level, row, column] > 0:
                    total += prices.fight * (1 + np.int64(at.past_via[level, row, column]))
            if total > DEAREST or count >= len(keys):
                continue
            if stamp[to] == search and costs[to] <= total:
                continue
            if step >= FALL and too_close(at, window, search, place, level, j, i):
                continue
            stamp[to], costs[to], came[to] = search, total, step
            left = bound(at, low, high, least, prices.haste, to_p, to_j + row0, to_i + column0)
            packed = (to_p << 32) | (to_j << 16) | to_i
            count = push(keys, heap, count, _key(total, left), packed)
    return _traced(window, best_place, path) if best_place >= 0 else 0


@jit
def _key(cost, left):
    """Return the key of a place in the heap: its sum, then what is left."""
    return ((cost + left) << 20) + min(left >> 4, 0xFFFFF)


@jit
def _set_goals(at, window, goals, search):
    """Mark the goals; return the corners of their bounding box, and which planes have one."""
    planes, rows, columns = window.size
    low = np.array([at.x[goals[0, 2]], at.y[goals[0, 1]]])
    high = low.copy()
    on_goal = np.zeros(planes, np.bool_)
    for k in range(len(goals)):
        p, j, i = goals[k, 0], goals[k, 1] - window.corner[0], goals[k, 2] - window.corner[1]
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
    return low, high, on_goal


@jit
def _start(at, window, prices, sources, search, low, high, least):
    """Put the sources into the heap; return the number of its elements."""
    _, rows, columns = window.size
    keys, heap = window.keys, window.heap
    count = 0
    for k in range(len(sources)):
        p, j, i = sources[k, 0], sources[k, 1] - window.corner[0], sources[k, 2] - window.corner[1]
        if not (0 <= j < rows and 0 <= i < columns) or count >= len(keys):
            continue
        place = (p * rows + j) * columns + i
        cost = sources[k, 3]
        if window.stamp[place] == search and window.cost[place] <= cost:
            continue
        window.stamp[place], window.cost[place], window.came[place] = search, cost, START
        left = bound(at, low, high, least, prices.haste, p, sources[k, 1], sources[k, 2])
        count = push(keys, heap, count, _key(cost, left), (p << 32) | (j << 16) | i)
    return count


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
        place = place_before(step, p, j, i, rows, columns)


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
