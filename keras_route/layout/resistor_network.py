"""A routed net as a network of resistors."""

import math
from collections.abc import Sequence

import numpy as np

from keras_route.technology.layers import METALS

Node = tuple[str, int, int]  # (layer, x, y)
Resistor = tuple[Node, Node, float]  # and its ohm


def resistors(net) -> list[Resistor]:
    """Return the resistors of a net as (node, node, ohm); a node is `(layer, x, y)`.

    A piece of a wire joins neighbouring nodes of a maximal run. A via joins two metals of a pixel.
    A stack of vias joins each pin, on m2, with its landing metal.

    Args:
        net: a `Net` whose wires are maximal runs.
    """
    cuts = [((via.below, x, y), (via.above, x, y), via.ohm) for via, x, y in net.cuts()]
    nodes = {node for below, above, _ in cuts for node in (below, above)}
    return [*cuts, *(piece for wire in net.wires for piece in _pieces(net, wire, nodes))]


def _pieces(net, wire, nodes):
    """Yield the pieces of a wire, cut at the nodes on it."""
    metal = METALS[wire.layer]
    um = metal.ohm_per_um * net.um_per_px[0 if metal.horizontal else 1]
    points = wire.pixels()
    ends = {points[0], points[-1]}
    stops = [point for point in points if point in ends or (wire.layer, *point) in nodes]
    for (x0, y0), (x1, y1) in zip(stops, stops[1:], strict=False):
        yield (wire.layer, x0, y0), (wire.layer, x1, y1), um * (x1 - x0 + y1 - y0)


def resistance_between(resistors: Sequence[Resistor], a: Node, b: Node) -> float:
    """Return the resistance in ohm between two nodes; infinite if nothing joins them.

    It is the voltage that one ampere from `a` to `b` causes. By Kirchhoff's law, the Laplacian of
    the network times the voltages is the current into each node.
    """
    if a == b:
        return 0.0
    reached = _reached(resistors, a)
    if b not in reached:
        return math.inf
    index = {node: i for i, node in enumerate(reached)}
    laplacian = np.zeros((len(index), len(index)))
    for one, other, ohm in resistors:
        if one in index:
            i, j = index[one], index[other]
            laplacian[[i, j], [i, j]] += 1 / ohm
            laplacian[[i, j], [j, i]] -= 1 / ohm
    ground = index.pop(b)
    laplacian = np.delete(np.delete(laplacian, ground, 0), ground, 1)
    current = np.zeros(len(laplacian))
    source = index[a] - (index[a] > ground)
    current[source] = 1
    return float(np.linalg.solve(laplacian, current)[source])


def _reached(resistors: Sequence[Resistor], start: Node) -> list[Node]:
    neighbours: dict[Node, list[Node]] = {}
    for a, b, _ in resistors:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    reached, waiting = {start: None}, [start]
    while waiting:
        for node in neighbours.get(waiting.pop(), ()):
            if node not in reached:
                reached[node] = None
                waiting.append(node)
    return list(reached)
