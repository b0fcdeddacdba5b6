"""The cheapest paths on the tracks of four metals."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def trimmed(usable, stops, horizontal):
    """Return the usable pixels without dead ends, which lead to no stop."""
    metals, height, width = usable.shape
    kept = usable.copy()
    for start in range(usable.size):
        k, y = start // (height * width), start // width % height
        x = start % width
        while kept[k, y, x] and not stops[k, y, x]:
            ways = 0
            a, b, c = k, y, x  # the last way
            if k and kept[k - 1, y, x]:
                ways, a = ways + 1, k - 1
            if k < metals - 1 and kept[k + 1, y, x]:
                ways, a = ways + 1, k + 1
            if horizontal[k]:
                if x and kept[k, y, x - 1]:
                    ways, a, c = ways + 1, k, x - 1
                if x < width - 1 and kept[k, y, x + 1]:
                    ways, a, c = ways + 1, k, x + 1
            else:
                if y and kept[k, y - 1, x]:
                    ways, a, b = ways + 1, k, y - 1
                if y < height - 1 and kept[k, y + 1, x]:
                    ways, a, b = ways + 1, k, y + 1
            if ways > 1:
                break
            kept[k, y, x] = False
            k, y, x = a, b, c
    return kept


@njit(cache=True, nogil=True)
def graph(pixels, vias, usable, stops, horizontal, far):
    """Return the nodes of a window and what steps between them cost.

    A node is a usable pixel that has a usable one above or below, or that is a stop. Wires pass all
    others without a choice. Nodes are sorted by metal and along the tracks, so the neighbours of a
    node on its track are the nodes before and after it. Costs have the type of `far`, which is
    larger than all of them.

    Returns:
        `(number, place, first, cost, ahead, back, low, high, up, down, first_via)`:
        `number` (4, height, width) is the node of each pixel or -1; `place` (N, 3) is its metal, y
        and x; nodes of metal k are `first[k]` to `first[k + 1]`. A step to node i costs `ahead[i]`
        from i - 1 and `back[i]` from i + 1, with the node and the pixels between. Via j from
        `low[j]` to `high[j]` costs `up[j]`, and `down[j]` the other way, with the node; those above
        metal k are `first_via[k]` to `first_via[k + 1]`.
    """
    metals, height, width = pixels.shape
    number = np.full(pixels.shape, -1, np.int32)
    size = np.count_nonzero(usable)
    place = np.empty((size, 3), np.int32)
    first = np.zeros(metals + 1, np.int64)
    cost = np.empty(size, far.dtype)
    ahead = np.full(size, far[0], far.dtype)
    back = np.full(size, far[0], far.dtype)
    low, high = np.empty(size, np.int32), np.empty(size, np.int32)
    up, down = np.empty(size, far.dtype), np.empty(size, far.dtype)
    first_via = np.zeros(metals, np.int64)
    i = j = 0
    for k in range(metals):
        lines, length = (height, width) if horizontal[k] else (width, height)
        for line in range(lines):
            passed = far[0]  # the cost of the pixels since the node before
            for step in range(length):
                y, x = (line, step) if horizontal[k] else (step, line)
                if not usable[k, y, x]:
                    passed = far[0]
                    continue
                below = k > 0 and usable[k - 1, y, x]
                above = k < metals - 1 and usable[k + 1, y, x]
                if not (below or above or stops[k, y, x]):
                    passed = min(far[0], passed + pixels[k, y, x])
                    continue
                number[k, y, x] = i
                place[i, 0], place[i, 1], place[i, 2] = k, y, x
                cost[i] = pixels[k, y, x]
                if passed < far[0]:
                    ahead[i] = passed + cost[i]
                    back[i - 1] = passed + cost[i - 1]
                if below:
                    low[j], high[j] = number[k - 1, y, x], i
                    up[j] = vias[k - 1, y, x] + cost[i]
                    down[j] = vias[k - 1, y, x] + cost[low[j]]
                    j += 1
                passed = cost[i] - cost[i]
                i += 1
        first[k + 1] = i
        if k:
            first_via[k] = j
    return (
        *(number, place[:i], first, cost[:i], ahead[:i], back[:i]),
        *(low[:j], high[:j], up[:j], down[:j], first_via),
    )


@njit(cache=True, nogil=True)
def landings(vias, free, x, y, far):
    """Return the costs of the stacks of vias from pins to each metal, (pins, 4).

    A stack passes the metals below. If one of them is blocked there, the cost is `far`.
    """
    stacks = np.full((len(x), len(free)), far[0], far.dtype)
    for pin in range(len(x)):
        column, row = x[pin], y[pin]
        stacks[pin, 0] = 0
        for k in range(len(free) - 1):
            if not free[k, row, column]:
                break
            stacks[pin, k + 1] = stacks[pin, k] + vias[k, row, column]
    return stacks


@njit(cache=True, nogil=True)
def _scan(paths, ahead, back, start, stop):
    """Extend paths along the tracks of the nodes `start` to `stop`, in both directions."""
    cast = paths.dtype.type  # of sums, which numba would widen
    lanes = paths.shape[1]
    if lanes == 1:
        cost = paths[:, 0]
        for i in range(start + 1, stop):
            cost[i] = min(cost[i], cast(cost[i - 1] + ahead[i]))
        for i in range(stop - 2, start - 1, -1):
            cost[i] = min(cost[i], cast(cost[i + 1] + back[i]))
        return
    for i in range(start + 1, stop):
        here, before, step = paths[i], paths[i - 1], ahead[i]
        for lane in range(lanes):
            here[lane] = min(here[lane], cast(before[lane] + step))
    for i in range(stop - 2, start - 1, -1):
        here, before, step = paths[i], paths[i + 1], back[i]
        for lane in range(lanes):
            here[lane] = min(here[lane], cast(before[lane] + step))


@njit(cache=True, nogil=True)
def _climb(paths, source, target, price, start, stop):
    """Extend paths by the vias `start` to `stop`; return whether that makes one cheaper."""
    cast = paths.dtype.type
    lanes = paths.shape[1]
    gain = np.zeros(lanes, paths.dtype)
    for j in range(start, stop):
        here, before, step = paths[target[j]], paths[source[j]], price[j]
        for lane in range(lanes):
            least = min(here[lane], cast(before[lane] + step))
            gain[lane] |= here[lane] ^ least
            here[lane] = least
    found = False
    for lane in range(lanes):
        found |= gain[lane] != 0
    return found


@njit(cache=True, nogil=True)
def flood(paths, first, ahead, back, low, high, up, down, first_via):
    """Lower `paths` (N, subsets), in place, to the costs of the cheapest paths to all nodes.

    A path's cost counts its nodes and vias. A metal is scanned again only after a via made a path
    on it cheaper, so the number of rounds grows with the bends of paths, not with their length.
    """
    metals = len(first) - 1
    stale = np.ones(metals, np.bool_)  # metals to scan
    rising, falling = np.ones(metals, np.bool_), np.ones(metals, np.bool_)
    waiting = True
    while waiting:
        for k in range(metals):
            if k and rising[k - 1]:
                rising[k - 1] = False
                if _climb(paths, low, high, up, first_via[k - 1], first_via[k]):
                    stale[k] = True
            if stale[k]:
                _scan(paths, ahead, back, first[k], first[k + 1])
                stale[k], rising[k], falling[k] = False, True, True
        for k in range(metals - 2, -1, -1):
            if falling[k + 1]:
                falling[k + 1] = False
                if _climb(paths, high, low, down, first_via[k], first_via[k + 1]):
                    stale[k] = True
            if stale[k]:
                _scan(paths, ahead, back, first[k], first[k + 1])
                stale[k], rising[k], falling[k] = False, True, True
        waiting = False
        for k in range(metals - 1):
            waiting |= rising[k]


@njit(cache=True, nogil=True)
def arrival(cost, number, x, y, landing, far):
    """Return the least cost of reaching a pin, with its stack, and the node where it lands."""
    least, at = far[0], -1
    for k in range(len(landing)):
        i = number[k, y, x]
        if i >= 0 and cost[i] < far[0] and cost[i] + landing[k] < least:
            least, at = cost[i] + landing[k], i
    return least, at


@njit(cache=True, nogil=True)
def _before(cost, node, nodes, vias, far):
    """Return the node before `node` on the path that `cost` describes; -1 at its start."""
    number, place, first, node_cost, ahead, back, low, high, up, down, first_via = nodes
    if ahead[node] < far[0] and cost[node - 1] + ahead[node] == cost[node]:
        return node - 1
    if back[node] < far[0] and cost[node + 1] + back[node] == cost[node]:
        return node + 1
    rest = cost[node] - node_cost[node]
    k, y, x = place[node]
    below = number[k - 1, y, x] if k else -1
    if below >= 0 and cost[below] + vias[k - 1, y, x] == rest:
        return below
    above = number[k + 1, y, x] if k < len(number) - 1 else -1
    if above >= 0 and cost[above] + vias[k, y, x] == rest:
        return above
    return -1


@njit(cache=True, nogil=True)
def trace(cost, node, nodes, vias, metal, far):
    """Draw the path to `node`; return its start, and whether that was drawn already."""
    place = nodes[1]
    while True:
        k, y, x = place[node]
        drawn = metal[k, y, x]
        metal[k, y, x] = True
        before = _before(cost, node, nodes, vias, far)
        if before < 0:
            return node, drawn
        if place[before, 0] == k:
            for row in range(min(y, place[before, 1]), max(y, place[before, 1]) + 1):
                for column in range(min(x, place[before, 2]), max(x, place[before, 2]) + 1):
                    if row != place[before, 1] or column != place[before, 2]:
                        metal[k, row, column] = True
        node = before


@njit(cache=True, nogil=True)
def seed(cost, number, node_cost, x, y, landing):
    """Lower `cost` to that of the nodes above a pin."""
    for k in range(len(landing)):
        i = number[k, y, x]
        if i >= 0 and landing[k] < cost[i]:
            cost[i] = landing[k] + node_cost[i]
