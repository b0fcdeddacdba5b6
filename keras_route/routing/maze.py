"""The cheapest trees that join pins on the tracks of four metals."""

import numpy as np

from keras_route.layout.steiner import halves
from keras_route.technology.layers import METALS

DEAREST = 1 << 18  # the largest cost of a pixel or a via that may be used
# The cost of a blocked pixel. No path costs as much: 4096 x 4096 pixels in four metals have fewer
# than 1 << 27 pixels and vias.
BLOCKED = DEAREST << 27
UNREACHED = BLOCKED << 2
HORIZONTAL = np.array([metal.horizontal for metal in METALS.values()])
EXACT_PINS = 6
EXACT_NODES = 1 << 21


class Maze:
    """A graph whose nodes are the pixels of m3, m4, m5 and m6.

    A wire runs along the tracks of its metal. A via joins neighbouring metals. Costs are integers:
    their sums do not depend on the order, and equality finds a path again.

    Args:
        pixels: int64 array (4, height, width), the cost of each pixel of each metal, 1 to
            `DEAREST`, or `BLOCKED`.
        vias: int64 array (3, height, width), the cost of each via, 0 to `DEAREST`.
    """

    def __init__(self, pixels: np.ndarray, vias: np.ndarray):
        self.pixels, self.vias = pixels, vias
        self._upto = [np.cumsum(pixels[h], axis) for h, axis in ((~HORIZONTAL, 1), (HORIZONTAL, 2))]

    def landing(self, pin: np.ndarray) -> np.ndarray:
        """Return the cost of the stack of vias from a pin `(x, y)` to each metal, (4,) integers.

        The stack passes the metals below; if one of them is blocked there, the cost is `BLOCKED`.
        """
        x, y = pin
        below = np.where(self.pixels[:-1, y, x] >= BLOCKED, BLOCKED, 0)
        return np.concatenate([[0], np.cumsum(self.vias[:, y, x] + below)])

    def from_pin(self, pin: np.ndarray) -> np.ndarray:
        """Return the costs of the nodes above a pin; the others are `UNREACHED`."""
        x, y = pin
        cost = np.full(self.pixels.shape, UNREACHED)
        cost[:, y, x] = self.landing(pin) + self.pixels[:, y, x]
        return cost

    def flood(self, cost: np.ndarray) -> np.ndarray:
        """Lower `cost`, in place, to the cost of the cheapest paths from the nodes reached so far.

        Each round extends every path by a whole run in each direction and by vias. So the number of
        rounds is the number of bends, not of pixels.

        Args:
            cost: int64 array (..., 4, height, width), the cost of the path to each node, with the
                node.

        Returns:
            `cost`.
        """
        # Sums by row, because the sum of all pixels could overflow int64; none is negative.
        rows = np.full(cost.shape[:-1], -1)
        while not np.array_equal(rows, rows := cost.sum(axis=-1)):
            self._run(cost[..., HORIZONTAL, :, :], HORIZONTAL, self._upto[1], -1, cost)
            self._climb(cost)
            self._run(cost[..., ~HORIZONTAL, :, :], ~HORIZONTAL, self._upto[0], -2, cost)
            self._climb(cost)
        return cost

    def _run(self, part, metals, upto, axis, cost):
        """Extend paths along tracks; the cost of a run is a difference of cumulative sums."""
        before = upto - self.pixels[metals]
        ahead = np.minimum.accumulate(part - upto, axis) + upto
        back = np.minimum.accumulate(np.flip(part + before, axis), axis)
        cost[..., metals, :, :] = np.minimum(ahead, np.flip(back, axis) - before)

    def _climb(self, cost):
        for k in (0, 1, 2, 2, 1, 0):
            below, above = cost[..., k, :, :], cost[..., k + 1, :, :]
            np.minimum(above, below + (self.vias[k] + self.pixels[k + 1]), out=above)
            np.minimum(below, above + (self.vias[k] + self.pixels[k]), out=below)

    def path(self, cost: np.ndarray, node: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        """Return the nodes (metal, y, x) from `node` back to the start of its path in `cost`."""
        nodes = [node]
        while (node := self._step(cost, node)) is not None:
            nodes.append(node)
        return nodes

    def _step(self, cost, node):
        k, y, x = node
        ahead = ((k, y, x - 1), (k, y, x + 1)) if HORIZONTAL[k] else ((k, y - 1, x), (k, y + 1, x))
        rest = cost[node] - self.pixels[node]
        _, height, width = self.pixels.shape
        for a, b, c in ahead:
            if 0 <= b < height and 0 <= c < width and cost[a, b, c] == rest:
                return a, b, c
        for j in (k - 1, k + 1):
            if 0 <= j < 4 and cost[j, y, x] == rest - self.vias[min(j, k), y, x]:
                return j, y, x
        return None


def cheapest_tree(maze: Maze, pins: np.ndarray) -> np.ndarray | None:
    """Return the metal of a tree that joins all pins at low cost.

    Up to six pins, the tree is the cheapest of all (Dreyfus and Wagner, 1971), unless the window is
    very large. Otherwise the cheapest path joins one pin after the other to the tree, the nearest
    pin first.

    Args:
        maze: the costs.
        pins: pin array of two or more different pixels.

    Returns:
        bool array (4, height, width); None if blocked pixels separate the pins.

    Raises:
        ValueError: there are fewer than two pins, or one is repeated.
    """
    if len(pins) < 2 or len(np.unique(pins, axis=0)) < len(pins):
        raise ValueError(f"A tree joins two or more different pins. Received: pins={pins.tolist()}")
    subsets = 1 << (len(pins) - 1)
    exact = len(pins) <= EXACT_PINS and subsets * maze.pixels.size <= EXACT_NODES
    found = (_exact if exact else _nearest_first)(maze, pins)
    if found is None:
        return None
    nodes, landings = found
    metal = np.zeros(maze.pixels.shape, bool)
    metal[tuple(np.transpose(nodes))] = True
    # If other metal of the net passes below a landing, the stack of vias joins the two.
    for k, y, x in landings:
        metal[metal[:, y, x].argmax() : k, y, x] = True
    return metal


def _exact(maze, pins):
    """Return the nodes of the cheapest tree, and the nodes on which its pins land.

    A tree that joins a subset of the pins to a node consists of two trees, which join the halves of
    the subset to another node, and of the cheapest path between the two nodes.
    """
    *others, last = pins
    cost = np.empty((1 << len(others), *maze.pixels.shape), "int64")
    single = [1 << i for i in range(len(others))]
    cost[single] = [maze.from_pin(pin) for pin in others]
    cost[single] = maze.flood(cost[single])
    for size in range(2, len(others) + 1):
        subsets = [s for s in range(len(cost)) if s.bit_count() == size]
        for subset in subsets:
            joined = [cost[half] + cost[subset - half] for half in halves(subset)]
            cost[subset] = np.minimum.reduce(joined) - maze.pixels
        cost[subsets] = maze.flood(cost[subsets])
    arrival, node = _arrival(maze, cost[-1], last)
    if arrival >= BLOCKED:
        return None
    nodes, landings, waiting = [], [node], [(len(cost) - 1, node)]
    while waiting:
        subset, node = waiting.pop()
        path = maze.path(cost[subset], node)
        nodes += path
        if subset.bit_count() == 1:
            landings.append(path[-1])
        else:
            waiting += _split(maze, cost, subset, path[-1])
    return nodes, landings


def _split(maze, cost, subset, node):
    """Return the two halves of `subset` that meet at `node`; their costs add up."""
    for half in halves(subset):
        if (
            cost[(half, *node)] + cost[(subset - half, *node)] - maze.pixels[node]
            == (cost[(subset, *node)])
        ):
            return (half, node), (subset - half, node)
    raise RuntimeError(f"A tree must start somewhere. Received: node={node}, subset={subset}")


def _nearest_first(maze, pins):
    """Return the nodes of a tree grown from the first pin, and where its pins land."""
    first, *waiting = pins
    cost = maze.from_pin(first)
    nodes, landings = [], []
    while waiting:
        maze.flood(cost)
        arrivals = [_arrival(maze, cost, pin) for pin in waiting]
        nearest = min(range(len(waiting)), key=lambda i: arrivals[i][0])
        arrival, node = arrivals[nearest]
        if arrival >= BLOCKED:
            return None
        del waiting[nearest]
        path = maze.path(cost, node)
        landings.append(node)
        if path[-1] not in nodes:
            landings.append(path[-1])
        nodes += path
        cost[tuple(np.transpose(path))] = 0
    return nodes, landings


def _arrival(maze, cost, pin):
    """Return the cost of reaching a pin, and the node on which its stack lands."""
    x, y = pin.tolist()
    costs = cost[:, y, x] + maze.landing(pin)
    metal = int(costs.argmin())
    return int(costs[metal]), (metal, y, x)
