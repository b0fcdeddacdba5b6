"""The router of all nets of a design: nets that come too close to others are routed again."""

import concurrent.futures
import dataclasses
import queue
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from keras_route.chip.compiled.drawn_net import geometry, metal_of, patches
from keras_route.chip.compiled.net_router import COLUMN, PIN, ROW, route_net
from keras_route.chip.compiled.occupancy import empty, fights, use
from keras_route.chip.compiled.own_pins import keep_off_own_pins, pin_patches
from keras_route.chip.compiled.topology import steiner_tree
from keras_route.chip.compiled.window import Prices, Window, window_of
from keras_route.chip.fixed_shapes import block, pins_on_planes, spaces
from keras_route.chip.lattice import Lattice
from keras_route.chip.pin_access import find_entries
from keras_route.chip.strips import strips
from keras_route.layout.design import Design, Wires

# A search may pay a quarter of a via for a place that another net needs; the price grows by half
# with each round, and with each time that nets fought over the place.
FIRST_FIGHT = 0.25
GROWTH = 1.5
MOST_ROUNDS = 30
GUIDED_ROUNDS = 4  # nets that still fight then may leave their guides
HIGHEST_FIGHT = 1 << 14  # times the fights over a hundred places, it is less than `CLOSED`
CLOSED = 1 << 30  # a price that no search pays
# Sixteenths: a path may cost an eighth more than the cheapest, and is found in half the time.
HASTE = 2
MARGIN_UM = 3.0  # around the ends of a path, at first
MOST_PLACES = 12_000_000  # of a search


@dataclasses.dataclass(frozen=True)
class Route:
    """What a routed net has on the lattice.

    Args:
        wires: (w, 5) integers: plane, x0, y0, x1, y1.
        vias: (v, 5) integers: level, x, y, index into `Technology.vias`, and whether it sticks out
            of its pin.
        joined: whether all pins are joined.
    """

    wires: np.ndarray
    vias: np.ndarray
    joined: bool

    @property
    def length(self) -> int:
        """Length of the wires in database units."""
        return int((self.wires[:, 3:] - self.wires[:, 1:3]).sum())


class DesignRouter:
    """Routes the nets of a design on its tracks, so that each keeps the rules of the technology.

    All nets are routed one after another, small ones first. A net may come too close to others, at
    a price. Those that do are routed again, in rounds, at a price that grows (McMurchie & Ebeling,
    1995). What still fights at the end is routed where nothing is in the way, or not at all.

    Args:
        design: with tracks on these metals.
        lowest: index of the lowest metal that has wires, in `Technology.metals`.
        highest: index of the highest one.

    Attributes:
        guides: index of a net to boxes (b, 5) in which its paths stay if they can: plane, first row
            and column, and the row and column behind the last; see `guides_on`.
        guided: whether they hold in this round.
        routes: index of each routed net to its `Route`.
        reasons: index of each net that is not routed, to the reason.
        trees: index of each net to the points and edges of its tree.
    """

    def __init__(self, design: Design, lowest: int, highest: int):
        self.design = design
        self.guides: dict[int, np.ndarray] = {}
        self.guided = True
        self.lattice = Lattice.of(design, lowest, highest)
        self.at = empty(self.lattice)
        around = spaces(design)
        block(design, self.lattice, self.at, around)
        self.pins = pins_on_planes(design, self.lattice, around)
        keep_off_own_pins(self.at, *self.pins)
        self.via_prices = self._via_prices()
        self.entries = find_entries(design, self.lattice, self.at, around, int(self.via_prices[0]))
        self.reasons = dict(self.entries.unreached)
        self.trees = {net: self._tree(net) for net in self.entries.spans}
        self.routes: dict[int, Route] = {}
        self.margin = int(MARGIN_UM * design.dbu_per_um)
        self.window = window_of(min(self.at.fixed_wire.size, MOST_PLACES))

    def _via_prices(self):
        """Return the price of a via of each level: the wire of plane 0 with its resistance."""
        technology, lowest = self.design.technology, self.lattice.lowest
        per_ohm = self.design.dbu_per_um / technology.metals[lowest].ohm_per_um
        ohms = [
            technology.cuts[lowest - 1 + level].ohm if lowest + level else 0.0
            for level in range(self.lattice.planes)
        ]
        return np.round(np.multiply(ohms, per_ohm)).astype(np.int64)

    def _tree(self, net):
        """Return the points of a net's tree, and its edges, the shortest first."""
        begin, end = self.entries.spans[net]
        entries = self.entries.table[begin:end]
        pins = entries[:, PIN]
        count = np.bincount(pins)
        x = np.bincount(pins, weights=self.at.x[entries[:, COLUMN]]) / count
        y = np.bincount(pins, weights=self.at.y[entries[:, ROW]]) / count
        points, edges = steiner_tree(np.stack([x, y], axis=1).round().astype(np.int64))
        length = np.abs(points[edges[:, 0]] - points[edges[:, 1]]).sum(axis=1)
        return points, np.ascontiguousarray(edges[np.argsort(length, kind="stable")])

    def route(
        self,
        time_limit: float = np.inf,
        progress: Callable[[int], None] = lambda routed: None,
        jobs: int = 1,
    ) -> None:
        """Route all nets; `routes` and `reasons` have the results, which do not depend on `jobs`.

        Args:
            time_limit: seconds after the first net at which the work ends; nets that fight then
                are taken out. What numba compiles, it compiles for the first net.
            progress: called with the number of nets that have a route.
            jobs: number of threads.
        """
        extent = {net: int(np.ptp(points, axis=0).sum()) for net, (points, _) in self.trees.items()}
        order = sorted(self.trees, key=lambda net: (extent[net], net))
        price = FIRST_FIGHT * float(np.median(self.via_prices[self.via_prices > 0]))
        if order and not self.routes:
            self._work(order[:1], self.window, int(price), np.inf, (0, len(self.at.x)))
        deadline = time.monotonic() + time_limit
        divisions, others = strips(order, self._reaches(), self.at.x, self.design.dbu_per_um)
        windows = self._windows(divisions, jobs)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for turn in range(MOST_ROUNDS):
                self.guided = turn < GUIDED_ROUNDS
                found = 0
                for division in divisions:
                    works = [
                        pool.submit(self._strip, strip, windows, int(price), deadline)
                        for strip in division
                    ]
                    for work in concurrent.futures.as_completed(works):
                        found += work.result()
                        progress(len(self.routes))
                found += self._rest(order, others, int(price), deadline, progress)
                if not found or time.monotonic() > deadline:
                    break
                price = min(price * GROWTH, HIGHEST_FIGHT)
        self._finish(order, deadline)

    def _reaches(self):
        """Return the least and the largest x that each net may need at first."""
        return {
            net: (points[:, 0].min() - self.margin, points[:, 0].max() + self.margin)
            for net, (points, _) in self.trees.items()
        }

    def _windows(self, divisions, jobs):
        """Return a queue of rooms for searches within strips, one for each thread."""
        windows: queue.SimpleQueue[Window] = queue.SimpleQueue()
        columns = [strip.behind - strip.first for strips in divisions for strip in strips]
        for _ in range(min(jobs, len(columns))):
            places = self.lattice.planes * len(self.at.y) * max(columns)
            windows.put(window_of(min(places, MOST_PLACES)))
        return windows

    def _strip(self, strip, windows, price, deadline):
        window = windows.get()
        try:
            return self._work(strip.nets, window, price, deadline, (strip.first, strip.behind))
        finally:
            windows.put(window)

    def _rest(self, order, others, price, deadline, progress):
        """Route the nets that belong to no strip, and those that found no way within theirs."""
        apart = {net for net in order if net not in self.routes or not self.routes[net].joined}
        wanted = apart | set(others)
        everywhere = (0, len(self.at.x))
        found = 0
        for net in order:
            if net in wanted:
                found += self._work([net], self.window, price, deadline, everywhere)
                progress(len(self.routes))
        return found

    def _work(self, nets, window, price, deadline, columns):
        """Route those of some nets that have no route, fight or are in pieces.

        Returns:
            The number of those that had no route or fought.
        """
        found = 0
        for net in nets:
            if time.monotonic() > deadline:
                break
            route = self.routes.get(net)
            fought = True
            if route is not None:
                self._count(net, -1)
                fought = fights(self.at, route.wires, route.vias, 1)
                if route.joined and not fought:
                    self._count(net, 1)
                    continue
            found += fought
            self.routes[net] = self._routed(net, window, price, columns)
            self._count(net, 1)
        return found

    def _finish(self, order, deadline):
        """Take out nets that fight or are in pieces; give each a last chance in what is free."""
        self.guided = False
        taken_out = []
        for net in order:
            route = self.routes.get(net)
            if route is not None:
                self._count(net, -1)
                if route.joined and not fights(self.at, route.wires, route.vias, 0):
                    self._count(net, 1)
                    continue
                del self.routes[net]
            taken_out.append(net)
        for net in taken_out:
            if time.monotonic() > deadline:
                self.reasons[net] = "the time was up"
                continue
            everywhere = (0, len(self.at.x))
            route = self._routed(net, self.window, CLOSED, everywhere)
            if route.joined and not fights(self.at, route.wires, route.vias, 0):
                self.routes[net] = route
                self._count(net, 1)
            else:
                self.reasons[net] = "no way is free"

    def restore(self, routes: Mapping[int, Route]) -> None:
        """Take routes that an earlier router of the same design found."""
        for net, route in routes.items():
            self.routes[net] = route
            self._count(net, 1)

    def tree_length(self, nets: Iterable[int]) -> int:
        """Return the length of the trees of nets, in database units."""
        trees = (self.trees[net] for net in nets)
        return int(sum(np.abs(p[e[:, 0]] - p[e[:, 1]]).sum() for p, e in trees))

    def _count(self, net, change):
        route = self.routes[net]
        use(self.at, route.wires, route.vias, change)

    def _routed(self, net, window: Window, price, columns):
        """Return a route of a net; if it is a long way round, the better one of two orders.

        The vias of the first paths can be in the way of the last ones.
        """
        points, edges = self.trees[net]
        tree = np.abs(points[edges[:, 0]] - points[edges[:, 1]]).sum()
        route = self._routed_in_order(net, edges, window, price, columns)
        if len(edges) == 1 or (route.joined and route.length <= 1.1 * tree + self.margin):
            return route
        other = self._routed_in_order(net, edges[::-1].copy(), window, price, columns)
        return min(route, other, key=lambda found: (not found.joined, found.length))

    def _routed_in_order(self, net, edges, window, price, columns):
        begin, end = self.entries.spans[net]
        entries = self.entries.table[begin:end]
        prices = Prices(np.ones(self.lattice.planes, np.int64), self.via_prices, price, HASTE)
        steps, used, parts = route_net(
            self.at,
            window,
            prices,
            net,
            entries,
            self.trees[net][0],
            edges,
            self.guides.get(net, NO_GUIDES) if self.guided else NO_GUIDES,
            self.margin,
            np.array([0, columns[0], len(self.at.y), columns[1]]),
        )
        wires, vias = geometry(self.at, entries, used, steps, self.lattice.via)
        return Route(wires, vias, parts == 1)

    def wires(self) -> Wires:
        """Return the wires and vias of all routed nets."""
        wires, vias = [np.zeros((0, 6), np.int64)], [np.zeros((0, 4), np.int64)]
        for net, route in sorted(self.routes.items()):
            metal = metal_of(self.at, route.wires, route.vias)
            closed = patches(self.at, metal), pin_patches(self.at, metal, *self.pins.of(net))
            lines = np.concatenate([route.wires, *closed])
            metal = lines[:, :1] + self.lattice.lowest
            wires.append(np.concatenate([np.full_like(metal, net), metal, lines[:, 1:]], axis=1))
            kind, place = route.vias[:, 3:4], route.vias[:, 1:3]
            vias.append(np.concatenate([np.full_like(kind, net), kind, place], axis=1))
        return Wires(np.concatenate(wires), np.concatenate(vias))


NO_GUIDES = np.zeros((0, 5), np.int64)
