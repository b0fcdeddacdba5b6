"""One net on the lattice: its tree of paths, as runs of wire and vias."""

import numpy as np

from keras_route.chip.compiled.occupancy import FREE, beside, jit
from keras_route.chip.compiled.search import DEAREST, cheapest_path
from keras_route.chip.compiled.via_spacing import via_too_close

# Columns of entries: the ways from the pins of a net onto the lattice.
PIN, PLANE, ROW, COLUMN, PRICE, VIA, AT_X, AT_Y, OUT = range(9)
LOST = np.int64(1) << 40
MOST_BANNED = 64  # vias that one path may have to leave out


@jit
def _entry_price(at, prices, net, entry, taken):
    """Return what an entry costs now; `LOST` if fixed shapes or the net's own vias close it.

    Args:
        taken: (k, 2) x and y of the vias to pins that the net has already.
    """
    plane, row, column = entry[PLANE], entry[ROW], entry[COLUMN]
    owner = at.fixed_wire[plane, row, column]
    if owner != FREE and owner != net:
        return LOST
    price = entry[PRICE]
    if at.use_wire[plane, row, column] > 0:
        price += prices.fight * (1 + np.int64(at.past_wire[plane, row, column]))
    if entry[VIA] < 0:
        return price
    for k in range(len(taken)):
        dx, dy = abs(taken[k, 0] - entry[AT_X]), abs(taken[k, 1] - entry[AT_Y])
        wide = at.cut[0, 2] - at.cut[0, 0] + at.cut_space[0]
        high = at.cut[0, 3] - at.cut[0, 1] + at.cut_space[0]
        if dx < wide and dy < high and dx + dy > 0:
            return LOST
    i0, i1 = beside(at.x, entry[AT_X])
    j0, j1 = beside(at.y, entry[AT_Y])
    for j in range(j0, j1 + 1):
        for i in range(i0, i1 + 1):
            owner = at.fixed_via[0, j, i]
            if owner != FREE and owner != net:
                return LOST
            if at.use_via[0, j, i] > 0:
                price += prices.fight * (1 + np.int64(at.past_via[0, j, i]))
    return price


@jit
def grown(array, count):
    """Return an array of rows with room for one more than `count`, twice as long if need be."""
    if count < len(array):
        return array
    larger = np.zeros((2 * len(array), array.shape[1]), array.dtype)
    larger[:count] = array[:count]
    return larger


@jit
def route_net(at, window, prices, net, entries, points, edges, guides, margin, limit):
    """Join the pins of a net; return its steps on the lattice and its entries.

    Each edge of the tree is a search from all places of one part of the net to all of the other.
    What is still apart after that is joined from part to part.

    Args:
        at: the occupancy.
        window: room for the searches.
        prices: what they pay.
        net: index of the net.
        entries: (e, 8) integers, the ways onto the lattice, those of a pin one after another.
        points: (m, 2) integers x, y: the points of the tree, the pins first, in their order.
        edges: (m - 1, 2) integers, the edges of the tree.
        guides: (b, 5) integers, boxes in which paths stay if they can, see `cheapest_path`.
        margin: by how much the window of a search exceeds its ends, in database units.
        limit: (4,) first row and column, and the ones behind the last, of the part of the lattice
            that searches stay in.

    Returns:
        steps (s, 6) integers, plane, row and column of both ends of each step; the indices of the
        entries that are used, one for each pin that was reached; and the number of parts.
    """
    pins = entries[-1, PIN] + 1
    count = len(points)
    part = np.arange(count)  # of each point
    # Places of the net: plane, row, column, part.
    places = np.zeros((256, 4), np.int64)
    size = 0
    steps = np.zeros((256, 6), np.int64)
    made = 0
    used = np.full(pins, -1)
    taken = np.zeros((pins, 2), np.int64)
    reached = 0
    vias = np.zeros((64, 3), np.int64)
    drilled = 0
    path = np.zeros((4096, 3), np.int64)
    for attempt in range(len(edges) + count):
        if attempt < len(edges):
            a, b = part[edges[attempt, 0]], part[edges[attempt, 1]]
            if a == b:
                continue
        else:
            a, b = _apart(part, pins)
            if a < 0:
                break
        found = 0
        reach = margin
        while found == 0:
            sources, from_entry = _ends(
                at, prices, net, entries, points, part, a, places[:size], used, taken[:reached]
            )
            goals, to_entry = _ends(
                at, prices, net, entries, points, part, b, places[:size], used, taken[:reached]
            )
            if len(sources) == 0 or len(goals) == 0:
                break
            if len(goals) > len(sources):
                sources, goals = goals, sources
                from_entry, to_entry = to_entry, from_entry
            whole = _set_window(at, window, sources, goals, reach, limit)
            found = _legal_path(
                at, window, prices, net, sources, goals, vias[:drilled], guides, path
            )
            if found == 0 and len(guides) > 0:
                found = _legal_path(
                    at, window, prices, net, sources, goals, vias[:drilled], guides[:0], path
                )
            if found < 0:
                path = np.zeros((4 * len(path), 3), np.int64)
                found = 0
                continue
            if found == 0 and whole:
                break
            if found == 0:
                reach *= 4
        if found == 0:
            if attempt >= len(edges):
                break
            continue
        reached = _enter(entries, used, taken, reached, _chosen(goals, to_entry, path[0]))
        last = _chosen(sources, from_entry, path[found - 1])
        reached = _enter(entries, used, taken, reached, last)
        for k in range(count):
            if part[k] == b:
                part[k] = a
        for k in range(size):
            if places[k, 3] == b:
                places[k, 3] = a
        for k in range(found):
            places = grown(places, size)
            places[size, 0], places[size, 1], places[size, 2] = path[k]
            places[size, 3] = a
            size += 1
            if k == 0:
                continue
            steps = grown(steps, made)
            steps[made, 0], steps[made, 1], steps[made, 2] = path[k - 1]
            steps[made, 3], steps[made, 4], steps[made, 5] = path[k]
            made += 1
            if path[k, 0] != path[k - 1, 0]:
                vias = grown(vias, drilled)
                vias[drilled, 0] = max(path[k, 0], path[k - 1, 0])
                vias[drilled, 1], vias[drilled, 2] = path[k, 1], path[k, 2]
                drilled += 1
    parts = 0
    for k in range(pins):
        first = True
        for other in range(k):
            if part[other] == part[k]:
                first = False
        parts += first
    return steps[:made], used, parts


@jit
def _legal_path(at, window, prices, net, sources, goals, own_vias, guides, path):
    """Find the cheapest path whose vias keep their space to each other, see `cheapest_path`."""
    banned = np.zeros((MOST_BANNED, 3), np.int64)
    for tries in range(MOST_BANNED):
        found = cheapest_path(
            at, window, prices, net, sources, goals, own_vias, banned[:tries], guides, path
        )
        if found <= 0:
            return found
        close = via_too_close(at, path, found)
        if close < 0:
            return found
        banned[tries, 0] = max(path[close, 0], path[close - 1, 0])
        banned[tries, 1], banned[tries, 2] = path[close, 1], path[close, 2]
    return 0


@jit
def _enter(entries, used, taken, reached, entry):
    """Note the entry of a pin that a path uses; return the number of vias to pins."""
    if entry < 0:
        return reached
    used[entries[entry, PIN]] = entry
    if entries[entry, VIA] < 0:
        return reached
    taken[reached, 0], taken[reached, 1] = entries[entry, AT_X], entries[entry, AT_Y]
    return reached + 1


@jit
def _apart(part, pins):
    """Return the parts of two pins that are not joined; -1, -1 if all are."""
    for k in range(1, pins):
        if part[k] != part[0]:
            return part[0], part[k]
    return -1, -1


@jit
def _ends(at, prices, net, entries, points, part, which, places, used, taken):
    """Return where a search may start or end in a part of the net, and the entry of each place.

    A part is a pin or an added point at first, and has the places of its paths later.
    """
    total = 0
    for k in range(len(places)):
        total += places[k, 3] == which
    pins = entries[-1, PIN] + 1
    if total > 0:
        ends = np.zeros((total, 4), np.int64)
        chosen = np.full(total, -1)
        n = 0
        for k in range(len(places)):
            if places[k, 3] == which:
                ends[n, 0], ends[n, 1], ends[n, 2] = places[k, 0], places[k, 1], places[k, 2]
                n += 1
        return ends, chosen
    planes = len(at.horizontal)
    ends = np.zeros((len(entries) + planes, 4), np.int64)
    chosen = np.full(len(entries) + planes, -1)
    n = 0
    if which < pins:
        for k in range(len(entries)):
            if entries[k, PIN] != which:
                continue
            price = _entry_price(at, prices, net, entries[k], taken)
            if price > DEAREST:
                continue
            ends[n, 0], ends[n, 1], ends[n, 2] = (
                entries[k, PLANE],
                entries[k, ROW],
                entries[k, COLUMN],
            )
            ends[n, 3] = price
            chosen[n] = k
            n += 1
    else:
        for p in range(planes):
            i = _nearest(at.x, at.on_column[p], points[which, 0])
            j = _nearest(at.y, at.on_row[p], points[which, 1])
            owner = at.fixed_wire[p, j, i]
            if owner in (FREE, net):
                ends[n, 0], ends[n, 1], ends[n, 2] = p, j, i
                n += 1
    return ends[:n], chosen[:n]


@jit
def _nearest(places, open_, value):
    """Return the index of the place on the tracks that is nearest to a value."""
    above = min(np.searchsorted(places, value), len(places) - 1)
    below = above
    while above < len(places) - 1 and not open_[above]:
        above += 1
    while below > 0 and not (open_[below] and places[below] <= value):
        below -= 1
    if not open_[above]:
        return below
    if not open_[below]:
        return above
    return below if value - places[below] <= places[above] - value else above


@jit
def _chosen(ends, chosen, place):
    """Return the entry with which a path starts or ends at a place; -1 for none."""
    best = -1
    for k in range(len(ends)):
        here = ends[k, 0] == place[0] and ends[k, 1] == place[1] and ends[k, 2] == place[2]
        if here and (best < 0 or ends[k, 3] < ends[best, 3]):
            best = k
    return chosen[best] if best >= 0 else -1


@jit
def _set_window(at, window, sources, goals, reach, limit):
    """Set the window to the nearest ends and a margin; return whether it is all of the limit."""
    # The goals are the smaller part; the sources count only where they are near to them.
    x0 = x1 = at.x[goals[0, 2]]
    y0 = y1 = at.y[goals[0, 1]]
    for k in range(len(goals)):
        x0, x1 = min(x0, at.x[goals[k, 2]]), max(x1, at.x[goals[k, 2]])
        y0, y1 = min(y0, at.y[goals[k, 1]]), max(y1, at.y[goals[k, 1]])
    best, near = np.int64(1) << 60, 0
    for k in range(len(sources)):
        x, y = at.x[sources[k, 2]], at.y[sources[k, 1]]
        gap = max(x0 - x, 0, x - x1) + max(y0 - y, 0, y - y1)
        if gap < best:
            best, near = gap, k
    x, y = at.x[sources[near, 2]], at.y[sources[near, 1]]
    x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
    i0 = max(np.searchsorted(at.x, x0 - reach), limit[1])
    i1 = min(np.searchsorted(at.x, x1 + reach, side="right"), limit[3])
    j0 = max(np.searchsorted(at.y, y0 - reach), limit[0])
    j1 = min(np.searchsorted(at.y, y1 + reach, side="right"), limit[2])
    window.corner[0], window.corner[1] = j0, i0
    window.size[0] = len(at.horizontal)
    window.size[1], window.size[2] = j1 - j0, i1 - i0
    whole = j0 == limit[0] and i0 == limit[1] and j1 == limit[2] and i1 == limit[3]
    if window.size[0] * window.size[1] * window.size[2] > len(window.stamp):
        window.size[1] = window.size[2] = 0
        return True
    return whole
