"""Short rectilinear trees: which points of a net to join, and where three ways meet."""

import numpy as np

from keras_route.chip.compiled.occupancy import jit

FEW = 10  # terminals of a tree for which all crossings of their lines are tried as points


@jit
def spanning_tree(points):
    """Return the edges of a shortest spanning tree, (n - 1, 2) indices (Prim, 1957).

    Args:
        points: (n, 2) integers.
    """
    n = len(points)
    edges = np.zeros((max(n - 1, 0), 2), np.int64)
    far = np.full(n, np.int64(1) << 60)
    near = np.zeros(n, np.int64)
    inside = np.zeros(n, np.bool_)
    last = 0
    inside[0] = True
    for k in range(n - 1):
        best = -1
        for i in range(n):
            if inside[i]:
                continue
            gap = abs(points[i, 0] - points[last, 0]) + abs(points[i, 1] - points[last, 1])
            if gap < far[i]:
                far[i], near[i] = gap, last
            if best < 0 or far[i] < far[best]:
                best = i
        inside[best] = True
        edges[k, 0], edges[k, 1] = near[best], best
        last = best
    return edges


@jit
def _gap(points, a, b):
    return abs(points[a, 0] - points[b, 0]) + abs(points[a, 1] - points[b, 1])


@jit
def _median(a, b, c):
    return max(min(a, b), min(max(a, b), c))


@jit
def steiner_tree(terminals):
    """Return points and edges of a short rectilinear tree that joins terminals.

    From a shortest spanning tree, the two edges at a point that gain most by meeting at the median
    of their three ends are replaced by three, as long as something is gained; then the spanning
    tree is drawn anew over all points, and points that join less than three are left out. Between a
    few terminals, the crossings of their lines are tried as points, too (Kahng & Robins, 1992).

    Args:
        terminals: (n, 2) integers.

    Returns:
        Points (m, 2), the terminals first, and edges (m - 1, 2), indices of points.
    """
    n = len(terminals)
    points = np.zeros((2 * n + 2, 2), np.int64)
    points[:n] = terminals
    count = n
    edges = spanning_tree(points[:count])
    for _ in range(3):
        before = count
        count, edges = _with_medians(points, count, edges, n)
        count, edges = _without_idle(points, count, spanning_tree(points[:count]), n)
        if count <= before:
            break
    if n > FEW:
        return points[:count], edges
    others, more = _with_crossings(terminals)
    if _length(others, more) < _length(points, edges):
        return others, more
    return points[:count], edges


@jit
def _length(points, edges):
    """Return the length of a rectilinear tree."""
    total = np.int64(0)
    for k in range(len(edges)):
        total += _gap(points, edges[k, 0], edges[k, 1])
    return total


@jit
def _with_crossings(terminals):
    """Return a spanning tree of the terminals and of crossings that each shorten it the most."""
    n = len(terminals)
    points = np.zeros((2 * n + 2, 2), np.int64)
    points[:n] = terminals
    count = n
    edges = spanning_tree(points[:count])
    while count < len(points):
        least, x, y = _length(points, edges), np.int64(0), np.int64(0)
        before = least
        for a in range(n):
            for b in range(n):
                points[count, 0], points[count, 1] = terminals[a, 0], terminals[b, 1]
                length = _length(points, spanning_tree(points[: count + 1]))
                if length < least:
                    least, x, y = length, terminals[a, 0], terminals[b, 1]
        if least == before:
            break
        points[count, 0], points[count, 1] = x, y
        count, edges = _without_idle(points, count + 1, spanning_tree(points[: count + 1]), n)
    return points[:count], edges


@jit
def _with_medians(points, count, edges, n):
    """Add medians that shorten the tree, best first; return the number of points and the edges."""
    limit = len(points)
    ends = np.zeros((2 * limit, 2), np.int64)
    ends[: len(edges)] = edges
    size = len(edges)
    while count < limit:
        gain, first, second, at = np.int64(0), -1, -1, -1
        heads = np.full(count, -1)
        following = np.full(2 * size, -1)
        for e in range(size):
            for side in range(2):
                following[2 * e + side] = heads[ends[e, side]]
                heads[ends[e, side]] = 2 * e + side
        for v in range(count):
            a = heads[v]
            while a >= 0:
                b = following[a]
                while b >= 0:
                    u, w = ends[a >> 1, 1 - (a & 1)], ends[b >> 1, 1 - (b & 1)]
                    x = _median(points[v, 0], points[u, 0], points[w, 0])
                    y = _median(points[v, 1], points[u, 1], points[w, 1])
                    won = abs(x - points[v, 0]) + abs(y - points[v, 1])
                    if won > gain:
                        gain, first, second, at = won, a >> 1, b >> 1, v
                    b = following[b]
                a = following[a]
        if gain == 0:
            break
        u = ends[first, 0] + ends[first, 1] - at
        w = ends[second, 0] + ends[second, 1] - at
        points[count, 0] = _median(points[at, 0], points[u, 0], points[w, 0])
        points[count, 1] = _median(points[at, 1], points[u, 1], points[w, 1])
        ends[first, 0], ends[first, 1] = u, count
        ends[second, 0], ends[second, 1] = w, count
        ends[size, 0], ends[size, 1] = at, count
        size += 1
        count += 1
        if n > 64 and count >= n + n // 2:
            break
    return count, ends[:size].copy()


@jit
def _without_idle(points, count, edges, n):
    """Leave out added points with two edges or less, where leaving them out costs nothing."""
    while True:
        degree = np.zeros(count, np.int64)
        for e in range(len(edges)):
            degree[edges[e, 0]] += 1
            degree[edges[e, 1]] += 1
        kept = n
        for v in range(n, count):
            if degree[v] > 2:
                points[kept] = points[v]
                kept += 1
        if kept == count:
            return count, edges
        count = kept
        edges = spanning_tree(points[:count])
