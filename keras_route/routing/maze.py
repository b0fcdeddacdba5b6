"""The cheapest trees that join pins on the tracks of four metals."""

import functools

import numpy as np

from keras_route.technology.layers import METALS

DEAREST = 1 << 18  # the largest cost of a pixel or a via that may be used
BLOCKED = DEAREST << 27  # the cost of a pixel that may not
HORIZONTAL = np.array([metal.horizontal for metal in METALS.values()])
EXACT_PINS = 10
EXACT_NODES = 1 << 23  # pixels times subsets of pins


class Maze:
    """A graph whose nodes are the pixels of m3, m4, m5 and m6.

    A wire runs along the tracks of its metal. A via joins neighbouring metals. Costs are integers:
    their sums do not depend on the order, and equality finds a path again.

    Args:
        pixels: integer array (4, height, width), the cost of each pixel of each metal, 1 to
            `DEAREST`, or `BLOCKED`.
        vias: integer array (3, height, width), the cost of each via, 0 to `DEAREST`.
    """

    def __init__(self, pixels: np.ndarray, vias: np.ndarray):
        self.pixels, self.vias = pixels, vias
        self.free = pixels < BLOCKED

    @functools.cached_property
    def costs(self):
        """Costs of pixels and vias, and a larger one than that of any tree, of 32 bits if it fits.

        A tree has each pixel and via once at most; the stacks below pins are counted in addition.
        """
        dearest = int(self.pixels[self.pixels < BLOCKED].sum()) + 2 * int(self.vias.sum())
        kind, far = ("int32", 1 << 29) if dearest < 1 << 28 else ("int64", 1 << 60)
        pixels, vias = (np.ascontiguousarray(a, kind) for a in (self.pixels, self.vias))
        return pixels, vias, np.array([far], kind)

    def arguments(self, pins: np.ndarray, within: np.ndarray | None = None) -> tuple:
        """Return the arguments of the compiled functions; see `compiled.trees`.

        Args:
            pins: pin array.
            within: booleans (4, height, width), the pixels for the tree; by default all.
        """
        pixels, vias, far = self.costs
        usable = self.free if within is None else self.free & within
        x, y = np.ascontiguousarray(pins.T)
        return pixels, vias, self.free, usable, HORIZONTAL, x, y, far


def cheapest_tree(
    maze: Maze, pins: np.ndarray, within: np.ndarray | None = None
) -> np.ndarray | None:
    """Return the metal of a tree that joins all pins at low cost.

    Up to ten pins, the tree is the cheapest of all (Dreyfus and Wagner, 1971), unless the window is
    very large. Otherwise the cheapest path joins one pin after the other to the tree, the nearest
    first.

    Args:
        maze: the costs.
        pins: pin array inside the window, with two different pins or more and none twice. A stack
            of vias joins each with the tree.
        within: booleans (4, height, width), the pixels for the tree; by default all.

    Returns:
        bool array (4, height, width); None if blocked pixels separate the pins.

    Raises:
        ValueError: there are fewer than two pins, or one is repeated.
    """
    return tree_with_cost(maze, pins, within)[1]


def tree_with_cost(
    maze: Maze, pins: np.ndarray, within: np.ndarray | None = None
) -> tuple[int, np.ndarray | None]:
    """Return the cost and the metal of a tree; see `cheapest_tree`. The cost of none is 0."""
    from keras_route.routing.compiled import trees

    if len(pins) < 2 or len(set(map(tuple, pins.tolist()))) < len(pins):
        raise ValueError(f"A tree joins two or more different pins. Received: pins={pins.tolist()}")
    arguments = maze.arguments(pins, within)
    subsets = 1 << (len(pins) - 1)
    usable = maze.pixels.size if within is None else np.count_nonzero(within)
    exact = len(pins) <= EXACT_PINS and subsets * usable <= EXACT_NODES
    search = trees.cheapest if exact else trees.nearest_first
    cost, metal = search(*arguments)
    return (int(cost), metal) if cost < arguments[-1][0] else (0, None)
