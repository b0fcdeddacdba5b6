"""The cheapest trees on the tracks of four metals."""

import numpy as np
from numba import njit

from keras_route.routing.compiled.tracks import (
    arrival,
    flood,
    graph,
    landings,
    seed,
    trace,
    trimmed,
)

LANES = 64  # subsets whose paths are extended together: their costs lie side by side
TILE = 512  # nodes whose costs are joined together: those of all subsets fit a processor's cache


@njit(cache=True, nogil=True)
def _join(cost, subset, node_cost, start, stop):
    """Set the cost of `subset` at nodes to that of the two halves that meet there most cheaply."""
    cast = cost.dtype.type
    least, node = cost[subset, start:stop], node_cost[start:stop]
    rest = subset & (subset - 1)
    lowest = subset - rest
    half = rest
    while half:
        half = (half - 1) & rest
        one, other = cost[half + lowest, start:stop], cost[rest - half, start:stop]
        for i in range(stop - start):
            least[i] = min(least[i], cast(one[i] + other[i] - node[i]))


@njit(cache=True, nogil=True)
def costs_of_trees(count, nodes, x, y, landing, far, largest):
    """Return the costs of the cheapest trees that join subsets of pins to nodes.

    A tree that joins a subset to a node consists of two trees, which join the halves of the subset
    to another node, and of the cheapest path between the two (Dreyfus and Wagner, 1971).

    Args:
        count: number of pins of the subsets, the first ones.
        nodes: of `graph`.
        x, y: of the pins.
        landing: (pins, 4) costs of the stacks from the pins to each metal.
        far: array of one number, the cost of what cannot be reached.
        largest: number of pins of the largest subsets; larger ones stay `far`.

    Returns:
        Array (2**count, N) by the bits of the subset; its first row has no meaning.
    """
    number, place, first, node_cost, ahead, back, low, high, up, down, first_via = nodes
    size = len(place)
    cost = np.full((1 << count, size), far[0], far.dtype)
    for pin in range(count):
        seed(cost[1 << pin], number, node_cost, x[pin], y[pin], landing[pin])
    subsets = np.empty(1 << count, np.int64)  # those of a level
    for level in range(1, largest + 1):
        members = 0
        for subset in range(1 << count):
            if _bits(subset) == level:
                subsets[members] = subset
                members += 1
        for start in range(0, size, TILE):
            for j in range(members):
                _join(cost, subsets[j], node_cost, start, min(start + TILE, size))
        for lane in range(0, members, LANES):
            block = subsets[lane : min(lane + LANES, members)]
            paths = np.empty((size, len(block)), far.dtype)
            for j in range(len(block)):
                for i in range(size):
                    paths[i, j] = cost[block[j], i]
            flood(paths, first, ahead, back, low, high, up, down, first_via)
            for j in range(len(block)):
                for i in range(size):
                    cost[block[j], i] = paths[i, j]
    return cost


@njit(cache=True, nogil=True)
def _bits(subset):
    count = 0
    while subset:
        subset &= subset - 1
        count += 1
    return count


@njit(cache=True, nogil=True)
def _graph(pixels, vias, usable, horizontal, x, y, far):
    """Return the nodes that a tree between pins may need; see `graph`."""
    stacks = np.zeros(usable.shape, np.bool_)
    for pin in range(len(x)):
        stacks[:, y[pin], x[pin]] = True
    ways = trimmed(usable, stacks, horizontal)
    return graph(pixels, vias, ways, stacks, horizontal, far)


@njit(cache=True, nogil=True)
def cheapest(pixels, vias, free, usable, horizontal, x, y, far):
    """Return the cheapest tree that joins all pins on usable pixels.

    Args:
        pixels: (4, height, width) costs.
        vias: (3, height, width) costs.
        free: booleans (4, height, width), where stacks below pins may pass.
        usable: booleans (4, height, width), free pixels for the tree.
        horizontal: (4,) booleans, the directions of the metals.
        x, y: of the pins.
        far: array of one number, larger than the costs of all trees.

    Returns:
        `(cost, metal)`: the cost of the tree, or `far`; and its metal, booleans (4, height, width).
        If other metal of the net passes below the end of a pin's stack, the stack joins the two.
    """
    pins = len(x)
    metal = np.zeros(usable.shape, np.bool_)
    landed = np.zeros((pins, 3), np.int32)
    nodes = _graph(pixels, vias, usable, horizontal, x, y, far)
    number, place, node_cost = nodes[0], nodes[1], nodes[3]
    stacks = landings(vias, free, x, y, far)
    cost = costs_of_trees(pins - 1, nodes, x, y, stacks, far, pins - 1)
    whole = (1 << (pins - 1)) - 1
    total, node = arrival(cost[whole], number, x[-1], y[-1], stacks[-1], far)
    if node < 0:
        return total, metal
    landed[0] = place[node]
    size = 1
    waiting = np.empty((pins, 2), np.int64)  # subsets, and the nodes that their trees reach
    waiting[0, 0], waiting[0, 1] = whole, node
    left = 1
    while left:
        left -= 1
        subset, node = waiting[left, 0], waiting[left, 1]
        node, _ = trace(cost[subset], node, nodes, vias, metal, far)
        rest = subset & (subset - 1)
        if rest == 0:
            landed[size] = place[node]
            size += 1
        half = rest
        while half:
            half = (half - 1) & rest
            one, other = subset - rest + half, rest - half
            if cost[one, node] + cost[other, node] - node_cost[node] == cost[subset, node]:
                waiting[left, 0], waiting[left, 1] = one, node
                waiting[left + 1, 0], waiting[left + 1, 1] = other, node
                left += 2
                break
    _fill_stacks(metal, landed)
    return total, metal


@njit(cache=True, nogil=True)
def nearest_first(pixels, vias, free, usable, horizontal, x, y, far):
    """Return a tree that grows from the first pin to the nearest one left; see `cheapest`.

    The cost is that of all paths.
    """
    pins = len(x)
    metal = np.zeros(usable.shape, np.bool_)
    landed = np.zeros((pins + len(free), 3), np.int32)  # paths may leave a pin on several metals
    size, total = 0, far[0] - far[0]
    nodes = _graph(pixels, vias, usable, horizontal, x, y, far)
    number, place, first, node_cost, ahead, back, low, high, up, down, first_via = nodes
    stacks = landings(vias, free, x, y, far)
    paths = np.full((len(place), 1), far[0], far.dtype)
    cost = paths[:, 0]
    seed(cost, number, node_cost, x[0], y[0], stacks[0])
    waiting = np.ones(pins, np.bool_)
    waiting[0] = False
    for _ in range(pins - 1):
        flood(paths, first, ahead, back, low, high, up, down, first_via)
        least, end, chosen = far[0], -1, -1
        for pin in range(pins):
            if waiting[pin]:
                reached, node = arrival(cost, number, x[pin], y[pin], stacks[pin], far)
                if reached < least:
                    least, end, chosen = reached, node, pin
        if end < 0:
            return far[0], metal
        waiting[chosen] = False
        total += least
        landed[size] = place[end]
        size += 1
        start, drawn = trace(cost, end, nodes, vias, metal, far)
        if not drawn:
            landed[size] = place[start]
            size += 1
        for node in range(len(place)):
            k, row, column = place[node]
            if metal[k, row, column]:
                cost[node] = 0
    _fill_stacks(metal, landed[:size])
    return total, metal


@njit(cache=True, nogil=True)
def _fill_stacks(metal, landed):
    """Fill the stacks between metal of a net and landings above it, (n, 3) of metal, y and x."""
    for i in range(len(landed)):
        k, y, x = landed[i]
        below = False
        for lower in range(k):
            below |= metal[lower, y, x]
            metal[lower, y, x] = below


@njit(cache=True, nogil=True)
def costs_through(pixels, vias, free, usable, horizontal, x, y, far):
    """Return the cost of the cheapest tree through each pixel, (4, height, width), or `far`.

    Without a pixel of its own, a tree falls into two parts that join it with a subset of the pins
    and with the others.
    """
    nodes = graph(pixels, vias, usable, usable, horizontal, far)
    place, node_cost = nodes[1], nodes[3]
    stacks = landings(vias, free, x, y, far)
    cost = costs_of_trees(len(x), nodes, x, y, stacks, far, len(x) - 1)
    whole = (1 << len(x)) - 1
    through = np.full(usable.shape, far[0], far.dtype)
    for start in range(0, len(place), TILE):
        _join(cost, whole, node_cost, start, min(start + TILE, len(place)))
    for node in range(len(place)):
        k, row, column = place[node]
        through[k, row, column] = cost[whole, node]
    return through
