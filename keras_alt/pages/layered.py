"""Layered drawing of a directed graph: each wire runs downwards, long ones beside the boxes.

The steps are those of Sugiyama, Tagawa and Toda (1981): layers by longest paths, places for wires
that pass a layer, orders by barycentres, then positions by least squares.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SWEEPS = 9  # odd, so that the last one runs downwards
HEAVY = (
    8.0  # how much more a box weighs than a wire beside it, so that chains of boxes are straight
)


@dataclass(frozen=True)
class Drawing:
    """Positions of a layered drawing.

    Attributes:
        centers: `(x, layer)` of each box.
        routes: the points `(x, layer)` of each wire, its ends included.
        width: of the drawing; it begins at 0.
        layers: number of layers.
    """

    centers: list[tuple[float, int]]
    routes: list[list[tuple[float, int]]]
    width: float
    layers: int


def layered(
    count: int, wires: Sequence[tuple[int, int]], width: float, lane: float, gap: float
) -> Drawing:
    """Place boxes and route wires.

    Args:
        count: number of boxes, in an order in which each comes behind what it reads.
        wires: `(source, target)`, numbers of boxes.
        width: of a box.
        lane: width that a wire takes where it passes a layer.
        gap: least distance between two things in a layer.
    """
    depth = [0] * count
    for source, target in sorted(wires, key=lambda wire: wire[1]):
        depth[target] = max(depth[target], depth[source] + 1)
    layers = [[] for _ in range(max(depth, default=0) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    widths, weights, chains = [width] * count, [HEAVY] * count, []
    leaving = Counter(source for source, _ in wires)
    for source, target in wires:
        passed = range(depth[source] + 1, depth[target])
        chain = [len(widths) + step for step in range(len(passed))]
        for node, layer in zip(chain, passed, strict=True):
            layers[layer].append(node)
        widths += [lane] * len(chain)
        weights += [HEAVY if leaving[source] == 1 else 1.0] * len(chain)
        chains.append([source, *chain, target])
    links = _links(chains)
    _order(layers, links)
    x = _positions(layers, links, widths, weights, gap)
    left = min((x[n] - widths[n] / 2 for n in range(len(widths))), default=0.0)
    right = max((x[n] + widths[n] / 2 for n in range(len(widths))), default=0.0)
    level = {node: number for number, layer in enumerate(layers) for node in layer}
    place = [(x[node] - left, level[node]) for node in range(len(widths))]
    routes = [[place[node] for node in chain] for chain in chains]
    return Drawing(place[:count], routes, right - left, len(layers))


def _links(chains):
    """Return `{node: its neighbours}` upwards and downwards."""
    links = ({}, {})
    for chain in chains:
        for upper, lower in zip(chain, chain[1:], strict=False):
            links[0].setdefault(lower, []).append(upper)
            links[1].setdefault(upper, []).append(lower)
    return links


def _order(layers, links):
    """Sort the nodes of each layer by the mean place of their neighbours, down and up again."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        sequence = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for number in sequence:
            other = layers[number - 1 if down else number + 1]
            rank = {node: (i + 0.5) / len(other) for i, node in enumerate(other)}
            own = {node: (i + 0.5) / len(layers[number]) for i, node in enumerate(layers[number])}
            near = links[0 if down else 1]
            middle = {
                node: _mean([rank[n] for n in near.get(node, ())], own[node])
                for node in layers[number]
            }
            layers[number].sort(key=middle.get)


def _mean(values, default):
    return sum(values) / len(values) if values else default


def _positions(layers, links, widths, weights, gap):
    """Return the middle of each node: near those of its neighbours, in order, without overlap."""
    x = [0.0] * len(widths)
    for layer in layers:
        _place(layer, dict.fromkeys(layer, 0.0), widths, weights, gap, x)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            wanted = {}
            for node in layer:
                near = links[0 if down else 1].get(node, ())
                pull = sum(x[other] * weights[other] for other in near)
                wanted[node] = pull / sum(weights[other] for other in near) if near else x[node]
            _place(layer, wanted, widths, weights, gap, x)
    return x


def _place(layer, wanted, widths, weights, gap, x):
    """Set `x` of a layer nearest to what is wanted, by pooling of neighbours that are too near."""
    offsets, reach = [], 0.0
    for number, node in enumerate(layer):
        if number:
            reach += (widths[layer[number - 1]] + widths[node]) / 2 + gap
        offsets.append(reach)
    pools = []  # of (sum of weighted positions, weight, number of nodes)
    for node, offset in zip(layer, offsets, strict=True):
        pools.append(((wanted[node] - offset) * weights[node], weights[node], 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            last, before = pools.pop(), pools.pop()
            pools.append(tuple(a + b for a, b in zip(before, last, strict=True)))
    number = 0
    for total, weight, size in pools:
        for _ in range(size):
            x[layer[number]] = total / weight + offsets[number]
            number += 1
