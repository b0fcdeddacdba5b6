"""The router of a design: nets that come too close to others are routed again."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from keras_route.chip.lattice import Lattice, fitting_vias, hull
from keras_route.chip.net_router import COLUMN, PIN, ROW, VIA, geometry, route_net
from keras_route.chip.occupancy import TAKEN, block_all, empty, fights, use
from keras_route.chip.pin_access import BIN, bins, entries_of
from keras_route.chip.search import Prices, window_of
from keras_route.chip.topology import steiner_tree
from keras_route.layout.design import NO_NET, Design, Wires

MOST_ROUNDS = 40
MARGIN_UM = 3.0
MOST_PLACES = 12_000_000
HASTE = 2


@dataclasses.dataclass
class Route:
    """What a net has: wires (plane, x0, y0, x1, y1), vias (level, x, y), and entries used."""

    wires: np.ndarray
    vias: np.ndarray
    used: np.ndarray
    parts: int


class DesignRouter:
    def __init__(self, design: Design, lowest: int = 1, highest: int = 5):
        self.design = design
        highest = min(highest, len(design.technology.metals) - 1)
        self.lattice = Lattice.of(design, lowest, highest)
        self.at = empty(self.lattice)
        self._block()
        self._find_entries()
        self._plan()
        places = self.at.fixed_wire.size
        self.window = window_of(min(places, MOST_PLACES))
        self.routes: dict[int, Route] = {}

    def _block(self):
        """Take the places around all fixed shapes."""
        shapes, lattice = self.design.shapes, self.lattice
        cuts = shapes.layer % 2 == 1
        metal = shapes.layer // 2
        planes = np.where(cuts, metal + 1 - lattice.lowest, metal - lattice.lowest)
        inside = np.where(cuts, planes >= 0, planes >= 0) & (planes < lattice.planes)
        inside &= ~(cuts & (lattice.via[np.clip(planes, 0, lattice.planes - 1)] < 0))
        spaces = self._spaces(shapes)
        nets = np.where(shapes.net == NO_NET, TAKEN, shapes.net)
        at = np.flatnonzero(inside)
        block_all(
            self.at, planes[at], cuts[at], shapes.box[at].astype(np.int64), spaces[at], nets[at]
        )

    def _spaces(self, shapes):
        """Return the space that others keep to each shape, (n,) integers."""
        technology, dbu = self.design.technology, self.design.dbu_per_um
        sides = shapes.box[:, 2:] - shapes.box[:, :2]
        keys = np.stack([shapes.layer, sides.min(axis=1), sides.max(axis=1)], axis=1)
        kinds, which = np.unique(keys, axis=0, return_inverse=True)
        spaces = []
        for layer, width, length in kinds.tolist():
            if layer % 2:
                spaces.append(technology.cuts[layer // 2].spacing_um)
                continue
            metal = technology.metals[layer // 2]
            wide = max(width / dbu, metal.width_um)
            spaces.append(metal.spacing.space_um(wide, length / dbu))
        return np.round(np.multiply(spaces, dbu)).astype(np.int64)[which.ravel()]

    def _find_entries(self):
        """Find the ways from the pins onto the lattice: `entries` and `spans` of each net."""
        design, lattice = self.design, self.lattice
        technology, dbu = design.technology, design.dbu_per_um
        shapes = design.shapes
        metal = (shapes.layer % 2 == 0) & (shapes.pin >= 0)
        planes = shapes.layer // 2 - lattice.lowest
        metal &= (planes >= -1) & (planes < lattice.planes)
        order = np.flatnonzero(metal)
        order = order[np.lexsort((shapes.pin[order], shapes.net[order]))]
        under = np.flatnonzero(shapes.layer == 2 * (lattice.lowest - 1))
        boxes = shapes.box[under].astype(np.int64)
        vias = self._entry_vias()
        names = technology.metals[lattice.lowest - 1].name
        via_boxes = np.array(
            [np.round(np.multiply(hull(technology.vias[v].boxes_um[names]), dbu)) for v in vias]
        ).astype(np.int64)
        left, bottom, right, top = design.die
        size = BIN * dbu
        columns, rows = max(1, -(-(right - left) // size)), max(1, -(-(top - bottom) // size))
        first, found = bins(boxes, size, columns, rows, left, bottom)
        via_price = self._via_prices()[0]
        self.entries, ends = entries_of(
            self.at,
            planes[order],
            shapes.box[order].astype(np.int64),
            shapes.net[order].astype(np.int64),
            shapes.pin[order].astype(np.int64),
            via_boxes,
            np.array(vias),
            via_price,
            boxes,
            shapes.net[under].astype(np.int64),
            self._spaces(shapes)[under],
            first,
            found,
            size,
            columns,
            rows,
            left,
            bottom,
        )
        self.spans = {}
        self.unreached = {}
        pins = {}
        for net, begin, end in ends.tolist():
            pins.setdefault(net, []).append((begin, end))
        names = list(design.nets)
        for net, name in enumerate(names):
            spans = pins.get(net, [])
            wanted = len(design.nets[name])
            if wanted < 2:
                continue
            if len(spans) < wanted or any(b == e for b, e in spans):
                self.unreached[net] = "no track reaches one of its pins"
            else:
                self.spans[net] = (spans[0][0], spans[-1][1])

    def _entry_vias(self):
        """Return the vias that may reach a pin: those with the metal of the best one above."""
        technology, lattice = self.design.technology, self.lattice
        best = technology.vias[lattice.via[0]]
        upper = technology.metals[lattice.lowest].name
        return [int(lattice.via[0])] + [
            v
            for v in fitting_vias(technology, lattice.lowest - 1)
            if v != lattice.via[0] and technology.vias[v].boxes_um[upper] == best.boxes_um[upper]
            and technology.vias[v].default == best.default
        ]

    def _via_prices(self):
        """Return the price of the via of each level: its resistance as that of wire of plane 0."""
        technology, lattice = self.design.technology, self.lattice
        ohm = technology.metals[lattice.lowest].ohm_per_um
        cuts = technology.cuts[lattice.lowest - 1 : lattice.lowest - 1 + lattice.planes]
        return np.array([round(c.ohm / ohm * self.design.dbu_per_um) for c in cuts])

    def _plan(self):
        """Choose the tree of each net."""
        self.trees = {}
        for net, (begin, end) in self.spans.items():
            entries = self.entries[begin:end]
            pins = entries[:, PIN]
            count = pins[-1] + 1
            totals = np.bincount(pins, minlength=count)
            points = np.stack(
                [
                    np.bincount(pins, weights=self.at.x[entries[:, COLUMN]]) / totals,
                    np.bincount(pins, weights=self.at.y[entries[:, ROW]]) / totals,
                ],
                axis=1,
            )
            points, edges = steiner_tree(np.round(points).astype(np.int64))
            length = np.abs(points[edges[:, 0]] - points[edges[:, 1]]).sum(axis=1)
            self.trees[net] = points, edges[np.argsort(length, kind="stable")]

    def route(self, progress: Callable[[int], None] = lambda done: None, fight=0.5, grow=1.5):
        via = int(self._via_prices().min())
        wire = np.ones(self.lattice.planes, np.int64)
        sizes = {net: np.ptp(tree[0], axis=0).sum() for net, tree in self.trees.items()}
        order = sorted(self.trees, key=lambda net: (int(sizes[net]), net))
        price = fight * via
        waiting = order
        for turn in range(MOST_ROUNDS):
            prices = Prices(wire, self._via_prices(), int(price), HASTE)
            fought = []
            for done, net in enumerate(waiting):
                route = self.routes.get(net)
                if route is not None:
                    use(self.at, route.wires, route.vias, -1)
                    if not fights(self.at, route.wires, route.vias, 1):
                        use(self.at, route.wires, route.vias, 1)
                        continue
                    fought.append(net)
                self.routes[net] = self._route(net, prices)
                route = self.routes[net]
                use(self.at, route.wires, route.vias, 1)
                progress(done + 1)
            if turn and not fought:
                break
            self.log(turn, len(fought), price)
            price *= grow
            waiting = order
        return self

    def log(self, *told):
        pass

    def _route(self, net, prices):
        begin, end = self.spans[net]
        points, edges = self.trees[net]
        entries = self.entries[begin:end]
        margin = int(MARGIN_UM * self.design.dbu_per_um)
        steps, used, parts = route_net(
            self.at, self.window, prices, net, entries, points, edges, margin
        )
        wires, vias = geometry(self.at, entries, used, steps, self.lattice.via)
        return Route(wires, vias, used, parts)
