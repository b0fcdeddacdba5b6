"""The router of all nets of a chip: nets that are in the way are routed again."""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_route.chip.grid import Grid
from keras_route.chip.guide import Guide
from keras_route.chip.placement import Placed
from keras_route.layout.blocked import footprint
from keras_route.layout.net import Net
from keras_route.pins import PinSets
from keras_route.routing.legalize import drawn, route_costs
from keras_route.routing.maze import cheapest_tree
from keras_route.technology.layers import LAYERS, METALS

FREE, BEYOND = -1, -2  # owners of a pixel: no net, and a pixel off the tracks
MARGINS = (6, 24)  # pixels around the pins to search for a way, the first margin first
# The cost of a pixel that another net has, in ohm as all costs of `route_costs`. It is added again
# for each time that nets fought over the pixel.
TAKE_OHM = 200.0
MOST_TAKES = 12  # times that a net may push others aside


class ChipRouter:
    """Routes nets on one grid, so that no two of them touch.

    Wires, vias and the stacks below pins take pixels of m3 to m6, on the tracks only. The m3 above
    a pin belongs to its net from the start. A net takes the route of its guide if that is free,
    otherwise the cheapest free route. If there is none, the net pushes others aside where that
    costs least, and they are routed again.

    Args:
        grid: the tracks.
        pins: pixels of the grid. Each net has two different ones or more, and no pixel belongs to
            two nets.
        guides: index of the net to `Guide`. Resistance alone decides a net without a guide.
        names: the names of the nets.

    Raises:
        ValueError: a pixel belongs to two nets or lies off the tracks, or a net has one pixel only.
    """

    def __init__(
        self,
        grid: Grid,
        pins: PinSets,
        guides: Mapping[int, Guide],
        names: Sequence[str],
    ):
        self.grid, self.guides, self.names = grid, guides, names
        self.pins = [np.unique(net, axis=0) for net in pins]
        self.owner = np.full((grid.size, grid.size, len(METALS)), FREE, "int32")
        self.fights = np.zeros(self.owner.shape)
        self.placed: dict[int, Placed] = {}
        self.searched: set[int] = set()  # nets that did not get the route of a guide
        self.takes: collections.Counter[int] = collections.Counter()
        self.pin_owner = np.full((grid.size, grid.size), FREE, "int32")
        self.beyond = grid.beyond
        for net, (name, places) in enumerate(zip(names, self.pins, strict=True)):
            received = f"Received: net {name!r} with pins={places.tolist()}"
            if len(places) < 2 or not grid.on_tracks(places).all():
                raise ValueError(
                    f"A net to route has two or more different pins on the {grid.columns} x "
                    f"{grid.rows} pixels of the tracks: leave out the others. {received}"
                )
            x, y = places.T
            if (self.pin_owner[y, x] != FREE).any():
                raise ValueError(
                    f"Pins of two nets cannot share a pixel: see `access_points`. {received}"
                )
            self.pin_owner[y, x] = net
        self.owner[..., 0] = self.pin_owner
        self.owner[self.beyond] = BEYOND

    def route(self, progress: Callable[[int], None] = lambda done: None) -> dict[int, str]:
        """Route all nets, those of the smallest extent first; `placed` has the results.

        Args:
            progress: called after each attempt with the number of nets that are routed.

        Returns:
            Index of each net that was given up, with the reason.
        """
        extent = [int(np.ptp(net, axis=0).sum()) for net in self.pins]
        waiting = collections.deque(sorted(range(len(self.pins)), key=extent.__getitem__))
        given_up: dict[int, str] = {}
        while waiting:
            net = waiting.popleft()
            if not self._place(net):
                if self.takes[net] == MOST_TAKES:
                    given_up[net] = f"no free way, after pushing others aside {MOST_TAKES} times"
                else:
                    waiting.extend(self._push(net))
            progress(len(self.placed))
        return given_up

    def _place(self, net):
        """Place a net on a free route; return whether there is one."""
        for window, labels in self._free_ways(net):
            if labels is not None:
                self._keep(net, window, labels)
                return True
        return False

    def _free_ways(self, net):
        """Yield windows, each with the label image of a free route in it, or None without one.

        The route of the guide comes first, then the results of searches in larger windows.
        """
        window = self._window(net, MARGINS[0])
        yield window, self._guided(net, window)
        for margin in MARGINS:
            window = self._window(net, margin)
            yield window, self._search(net, window, self._others(net, window), 0.0)

    def _push(self, net):
        """Place a net on the cheapest route, and return the nets that gave way.

        A route exists, because only the m3 above other nets' pins is fixed on the tracks.
        """
        self.takes[net] += 1
        window = self._window(net, MARGINS[-1])
        others = self._others(net, window)
        pins = self.pin_owner[window.rows, window.columns]
        fixed = np.repeat(self.beyond[window.rows, window.columns, None], len(METALS), axis=2)
        fixed[..., 0] |= (pins != FREE) & (pins != net)
        fights = self.fights[window.rows, window.columns]
        labels = self._search(net, window, fixed, TAKE_OHM * (others + fights))
        fought = footprint(labels, window.local(self.pins[net])) & others
        fights += fought
        pushed = np.unique(self.owner[window.rows, window.columns][fought]).tolist()
        for other in pushed:
            self._remove(other)
        self._keep(net, window, labels)
        return pushed

    def _window(self, net, margin):
        guide = self.guides.get(net)
        side = int(np.ptp(self.pins[net], axis=0).max()) + 1 + 2 * margin
        side = min(max(side, len(guide.labels) if guide else 0), self.grid.size)
        return _Window(*self.grid.window(self.pins[net], side), side)

    def _others(self, net, window):
        owner = self.owner[window.rows, window.columns]
        return (owner != FREE) & (owner != net)

    def _guided(self, net, window):
        """Return the label image of the guide's route; None without a guide or if it is taken."""
        if net not in self.guides:
            return None
        guide = self.guides[net]
        labels = window.paste(guide, guide.labels, 0)
        others = self._others(net, window)
        if (footprint(labels, window.local(self.pins[net])) & others).any():
            return None
        self.searched.discard(net)
        return labels

    def _search(self, net, window, blocked, extra_ohm):
        """Return the label image of the cheapest route; None if there is none."""
        pins = window.local(self.pins[net])
        um_per_px = (self.grid.um_per_px, self.grid.um_per_px)
        maze = route_costs(self._log_odds(net, window), blocked, um_per_px, extra_ohm)
        metal = cheapest_tree(maze, pins)
        self.searched.add(net)
        return None if metal is None else drawn(metal, pins)

    def _log_odds(self, net, window):
        """Return the guide's log-odds for a window; zeros without a guide."""
        if net not in self.guides:
            return np.zeros((window.side, window.side, len(LAYERS)))
        guide = self.guides[net]
        return window.paste(guide, guide.log_odds, guide.beyond)

    def _keep(self, net, window, labels):
        pins = window.local(self.pins[net])
        changed = 0
        if net in self.guides:
            changed = int(np.count_nonzero((self._log_odds(net, window) > 0) != labels))
        self.owner[window.rows, window.columns][footprint(labels, pins)] = net
        routed = Net.from_labels(
            labels,
            pins,
            window_um=window.side * self.grid.um_per_px,
            name=self.names[net],
            changed=changed,
        )
        self.placed[net] = Placed(routed, window.x, window.y)

    def _remove(self, net):
        """Take a net off the grid, except for the m3 above its pins."""
        placed = self.placed.pop(net)
        window = _Window(placed.x, placed.y, placed.net.width)
        owner = self.owner[window.rows, window.columns]
        owner[owner == net] = FREE
        x, y = self.pins[net].T
        self.owner[y, x, 0] = net


@dataclasses.dataclass(frozen=True)
class _Window:
    """A square part of the grid."""

    x: int
    y: int
    side: int

    @property
    def rows(self):
        return slice(self.y, self.y + self.side)

    @property
    def columns(self):
        return slice(self.x, self.x + self.side)

    def local(self, pins):
        """Return a pin array of the grid as a pin array of the window."""
        return pins - (self.x, self.y)

    def paste(self, guide, image, background):
        """Return an image of the guide's window as an image of this larger window."""
        height, width = image.shape[:2]
        pasted = np.empty((self.side, self.side, image.shape[2]), image.dtype)
        pasted[:] = background
        row, column = guide.y - self.y, guide.x - self.x
        pasted[row : row + height, column : column + width] = image
        return pasted
