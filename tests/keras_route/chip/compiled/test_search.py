"""A path costs what Dijkstra's algorithm finds, and keeps to what is open."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from small_designs import design

from keras_route.chip.compiled.occupancy import FREE, TAKEN, empty
from keras_route.chip.compiled.search import cheapest_path
from keras_route.chip.compiled.window import Prices, window_of
from keras_route.chip.lattice import Lattice

NET = 5
NO_VIAS = np.zeros((0, 3), np.int64)
NO_GUIDES = np.zeros((0, 5), np.int64)


class Maze:
    """A random lattice, with ends of a path."""

    def __init__(self, seed, closed=0.15, busy=0.2, fight=700, spaced_cuts=False):
        rng = self.rng = np.random.default_rng(seed)
        self.at = at = empty(Lattice.of(design([], 4400), 1, int(rng.integers(2, 6))))
        if not spaced_cuts:
            at.cut_space[:] = 0
        for owners in (at.fixed_wire, at.fixed_via):
            drawn = rng.random(owners.shape)
            others = rng.choice([TAKEN, NET + 1, NET], owners.shape, p=[0.5, 0.3, 0.2])
            owners[...] = np.where((owners == FREE) & (drawn < closed), others, owners)
        for counts in (at.use_wire, at.use_via):
            counts[...] = rng.random(counts.shape) < busy
        for past in (at.past_wire, at.past_via):
            past[...] = rng.integers(0, 4, past.shape)
        planes = len(at.horizontal)
        self.wire = rng.integers(1, 3, planes)
        self.via = rng.integers(200, 2000, planes)
        self.fight = fight
        self.window = window_of(at.fixed_wire.size)
        self.window.size[:] = at.fixed_wire.shape
        self.sources, self.goals = self.ends(), self.ends()

    def ends(self):
        open_ = np.argwhere(self.open_wire())
        places = open_[self.rng.choice(len(open_), self.rng.integers(1, 5), replace=False)]
        costs = self.rng.integers(0, 1500, (len(places), 1))
        return np.concatenate([places, costs], axis=1)

    def open_wire(self):
        return (self.at.fixed_wire == FREE) | (self.at.fixed_wire == NET)

    def open_via(self):
        return (self.at.fixed_via == FREE) | (self.at.fixed_via == NET)

    def path(self, haste=0, own_vias=NO_VIAS, guides=NO_GUIDES):
        """Return the path from a source to a goal, (n, 3); empty if there is none."""
        prices = Prices(self.wire, self.via, self.fight, haste)
        path = np.zeros((5000, 3), np.int64)
        args = (NET, self.sources, self.goals, own_vias, NO_VIAS, guides, path)
        count = cheapest_path(self.at, self.window, prices, *args)
        return path[:count][::-1]

    def steps(self):
        """Return all steps: places from and to, as numbers, and prices."""
        at, number = self.at, np.arange(self.at.fixed_wire.size).reshape(self.at.fixed_wire.shape)
        found = []

        def add(start, end, price):
            price = price + self.fight * (1 + at.past_wire[end]) * (at.use_wire[end] > 0)
            both = self.open_wire()[start] & self.open_wire()[end] & (price < np.inf)
            found.append((number[start][both], number[end][both], price[both]))

        for p, flat in enumerate(at.horizontal):
            first, second = slice(None, -1), slice(1, None)
            if flat:
                ends, lengths = ((p, slice(None), first), (p, slice(None), second)), np.diff(at.x)
            else:
                ends = (p, first, slice(None)), (p, second, slice(None))
                lengths = np.diff(at.y)[:, None]
            for start, end in (ends, ends[::-1]):
                shape = number[start].shape
                add(start, end, np.broadcast_to(lengths * self.wire[p], shape).astype(float))
            if p:
                price = self.via[p] + self.fight * (1 + at.past_via[p]) * (at.use_via[p] > 0)
                price = np.where(self.open_via()[p], price.astype(float), np.inf)
                add((p - 1,), (p,), price)
                add((p,), (p - 1,), price)
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def least_cost(self):
        """Return the cost of the cheapest path, by Dijkstra's algorithm; infinite without one."""
        start, end, price = self.steps()
        size = self.at.fixed_wire.size
        # Two more places lie before all sources and behind all goals; 1 more, as 0 is no edge.
        shape = self.at.fixed_wire.shape
        first = np.ravel_multi_index(tuple(self.sources[:, :3].T), shape)
        last = np.ravel_multi_index(tuple(self.goals[:, :3].T), shape)
        start = np.concatenate([start, np.full(len(first), size), last])
        end = np.concatenate([end, first, np.full(len(last), size + 1)])
        price = np.concatenate([price, self.sources[:, 3] + 1, self.goals[:, 3] + 1])
        graph = coo_array((price, (start, end)), shape=(size + 2,) * 2).tocsr()
        return dijkstra(graph, indices=size)[size + 1] - 2

    def cost(self, path):
        """Return what a path costs; its steps must be among all steps."""
        start, end, price = self.steps()
        prices = dict(zip(zip(start.tolist(), end.tolist(), strict=True), price, strict=True))
        places = np.ravel_multi_index(tuple(path.T), self.at.fixed_wire.shape).tolist()
        total = sum(prices[step] for step in zip(places, places[1:], strict=False))
        return total + self.end_cost(self.sources, path[0]) + self.end_cost(self.goals, path[-1])

    @staticmethod
    def end_cost(ends, place):
        return min(end[3] for end in ends.tolist() if end[:3] == place.tolist())


def drills(path):
    """Return level, row and column of the vias of a path."""
    up = np.flatnonzero(np.diff(path[:, 0]))
    level = np.maximum(path[up, 0], path[up + 1, 0])
    return np.stack([level, path[up, 1], path[up, 2]], axis=1)


def too_close(at, some, others):
    """Return which cuts are closer than their space, but not the same; (some, others)."""
    a, b = some[:, None], others[None]
    wide = np.abs(at.x[a[..., 2]] - at.x[b[..., 2]])
    high = np.abs(at.y[a[..., 1]] - at.y[b[..., 1]])
    level = a[..., 0]
    size = (at.cut[:, 2:] - at.cut[:, :2])[level]
    reach = size + at.cut_space[level][..., None]
    near = (wide < reach[..., 0]) & (high < reach[..., 1]) & (wide + high > 0)
    return near & (level == b[..., 0])


@pytest.mark.parametrize("seed", range(40))
def test_a_path_costs_as_little_as_dijkstras(seed):
    maze = Maze(seed, closed=(0.05, 0.15, 0.3)[seed % 3])
    least, path = maze.least_cost(), maze.path()
    if np.isinf(least):
        assert len(path) == 0
    else:
        # The steps are joined, open to the net, and lead from a source to a goal.
        assert maze.cost(path) == least


@pytest.mark.parametrize("haste", [1, 2, 8])
@pytest.mark.parametrize("seed", range(12))
def test_a_path_in_haste_costs_at_most_so_much_more(seed, haste):
    maze = Maze(seed)
    least, path = maze.least_cost(), maze.path(haste)
    assert (len(path) == 0) == np.isinf(least)
    if len(path):
        assert least <= maze.cost(path) <= least * (1 + haste / 16)


def test_a_price_that_no_search_pays_keeps_nets_apart():
    found = 0
    for seed in range(12):
        maze = Maze(seed, closed=0.05, fight=1 << 30)
        path = maze.path()
        found += len(path) > 0
        inner = tuple(path[1:].T)
        assert not maze.at.use_wire[inner].any()
        assert not maze.at.use_via[tuple(drills(path).T)].any() if len(path) else True
    assert found > 2


def test_a_later_search_does_not_see_an_earlier_one():
    maze, fresh = Maze(3), Maze(3)
    for _ in range(3):
        assert (maze.path() == fresh.path()).all()
    maze.sources, maze.goals = maze.goals, maze.sources
    fresh = Maze(3)
    fresh.sources, fresh.goals = fresh.goals, fresh.sources
    assert (maze.path() == fresh.path()).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_path_stays_in_its_window(seed):
    maze = Maze(seed, closed=0.02)
    planes, rows, columns = maze.at.fixed_wire.shape
    top, bottom = rows // 4, rows - rows // 4
    left, right = columns // 4, columns - columns // 4
    for ends in (maze.sources, maze.goals):
        ends[0] = np.argwhere(maze.open_wire()[:, top:bottom, left:right])[
            0 if ends is maze.sources else -1
        ].tolist() + [0]
        ends[0, 1:3] += top, left
    maze.window.corner[:] = top, left
    maze.window.size[:] = planes, bottom - top, right - left
    path = maze.path()
    assert ((path[:, 1] >= top) & (path[:, 1] < bottom)).all()
    assert ((path[:, 2] >= left) & (path[:, 2] < right)).all()
    # It is the cheapest one among those in the window.
    for owners in (maze.at.fixed_wire, maze.at.fixed_via):
        outside = np.ones(owners.shape, bool)
        outside[:, top:bottom, left:right] = False
        owners[outside] = TAKEN
    inside = [
        np.array([e for e in ends.tolist() if top <= e[1] < bottom and left <= e[2] < right])
        for ends in (maze.sources, maze.goals)
    ]
    maze.sources, maze.goals = inside
    least = maze.least_cost()
    assert maze.cost(path) == least if len(path) else np.isinf(least)


@pytest.mark.parametrize("seed", range(12))
def test_a_path_is_the_cheapest_one_in_its_guides(seed):
    maze = Maze(seed, closed=0.03)
    planes, rows, columns = maze.at.fixed_wire.shape
    row, column = maze.rng.integers(0, rows), maze.rng.integers(0, columns)
    guides = np.array(
        [(p, max(row - 6, 0), 0, row + 6, columns) for p in range(planes)]
        + [(p, 0, max(column - 6, 0), rows + 9, column + 6) for p in range(planes)]
    )
    inside = np.zeros((planes, rows, columns), bool)
    for p, r0, c0, r1, c1 in guides.tolist():
        inside[p, r0:r1, c0:c1] = True
    places = np.argwhere(inside & maze.open_wire())
    for ends in (maze.sources, maze.goals):
        ends[:, :3] = places[maze.rng.choice(len(places), len(ends), replace=False)]
    path = maze.path(guides=guides)
    maze.at.fixed_wire[~inside] = TAKEN
    least = maze.least_cost()
    assert inside[tuple(path.T)].all()
    assert maze.cost(path) == least if len(path) else np.isinf(least)


def test_a_path_that_is_not_in_the_guides_is_none():
    maze = Maze(0, closed=0)
    p, j, i = maze.sources[0, :3]
    assert len(maze.path())
    assert len(maze.path(guides=np.array([[p, j, i, j + 1, i + 1]]))) in (0, 1)


@pytest.mark.parametrize("haste", [0, 2])
@pytest.mark.parametrize("seed", range(20))
def test_cuts_of_a_net_keep_their_space(seed, haste):
    maze = Maze(seed, spaced_cuts=True)
    shape = maze.at.fixed_via.shape
    own = np.stack([maze.rng.integers(0 if k else 1, n, 25) for k, n in enumerate(shape)], axis=1)
    path = maze.path(haste, own_vias=own)
    vias = drills(path)
    assert not too_close(maze.at, vias, vias).any()
    assert not too_close(maze.at, vias, own).any()
    if len(path):
        assert maze.cost(path) >= maze.least_cost()


def test_a_path_that_is_too_long_for_its_array_is_told():
    maze = Maze(1, closed=0, busy=0)
    prices = Prices(maze.wire, maze.via, 0, 0)
    rows, columns = maze.at.fixed_wire.shape[1:]
    row = np.flatnonzero(maze.open_wire()[1].all(axis=1))[0]
    sources, goals = np.array([[1, row, 0, 0]]), np.array([[1, row, columns - 1, 0]])
    ends = (NET, sources, goals, NO_VIAS, NO_VIAS, NO_GUIDES)
    short, long = np.zeros((columns - 1, 3), np.int64), np.zeros((columns, 3), np.int64)
    assert cheapest_path(maze.at, maze.window, prices, *ends, short) == -1
    assert cheapest_path(maze.at, maze.window, prices, *ends, long) == columns
    assert long[:, 2].tolist() == list(range(columns))[::-1]
