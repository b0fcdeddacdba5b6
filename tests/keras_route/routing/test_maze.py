import heapq
import itertools

import numpy as np
import pytest

from keras_route.routing import maze as mazes
from keras_route.routing.maze import BLOCKED, Maze, cheapest_tree

pytestmark = pytest.mark.check


@pytest.fixture
def terrain(rng):
    """Return random mazes, a part of which is blocked."""

    def build(blocked, height=9, width=11, vias=9):
        pixels = rng.integers(1, 9, (4, height, width))
        pixels[rng.random(pixels.shape) < blocked] = BLOCKED
        return Maze(pixels, rng.integers(0, vias, (3, height, width)))

    return build


def random_pins(rng, count, height=9, width=11):
    cells = rng.choice(height * width, count, replace=False)
    return np.stack([cells % width, cells // width], axis=1)


def dijkstra(maze, pin):
    """Return the cost of each node that a pin reaches, node by node with a heap."""
    x, y = pin.tolist()
    landing, reached, heap = 0, {}, []
    for k in range(4):
        if maze.pixels[k, y, x] < BLOCKED:
            heap.append((landing + int(maze.pixels[k, y, x]), (k, y, x)))
        else:
            break
        landing += int(maze.vias[k, y, x]) if k < 3 else 0
    heapq.heapify(heap)
    while heap:
        cost, (k, y, x) = heapq.heappop(heap)
        if (k, y, x) in reached:
            continue
        reached[k, y, x] = cost
        steps = [(k, y, x - 1), (k, y, x + 1)] if k % 2 else [(k, y - 1, x), (k, y + 1, x)]
        for j, b, a in [*steps, (k - 1, y, x), (k + 1, y, x)]:
            inside = 0 <= j < 4 and 0 <= b < maze.pixels.shape[1] and 0 <= a < maze.pixels.shape[2]
            if inside and maze.pixels[j, b, a] < BLOCKED:
                via = int(maze.vias[min(j, k), y, x]) if j != k else 0
                heapq.heappush(heap, (cost + via + int(maze.pixels[j, b, a]), (j, b, a)))
    return reached


def joins(maze, metal, pins):
    """Return whether metal, with vias wherever neighbours meet, joins the pins by their stacks."""
    first, *others = pins
    lifted = np.where(metal, 1, BLOCKED)
    for x, y in pins:
        lowest = metal[:, y, x].argmax()
        assert metal[lowest, y, x]
        assert (maze.pixels[: lowest + 1, y, x] < BLOCKED).all()
        lifted[:lowest, y, x] = 1
    reached = dijkstra(Maze(lifted, maze.vias), first)
    return all(
        (0, y, x) in reached or (metal[:, y, x].argmax(), y, x) in reached for x, y in others
    )


@pytest.mark.parametrize("blocked", [0, 0.2, 0.4])
def test_flooding_finds_what_dijkstra_finds(terrain, blocked, rng):
    for _ in range(20):
        maze = terrain(blocked)
        (pin,) = random_pins(rng, 1)

        cost = maze.flood(maze.from_pin(pin))

        found = {
            tuple(map(int, node)): int(cost[tuple(node)]) for node in np.argwhere(cost < BLOCKED)
        }
        assert found == dijkstra(maze, pin)


def test_paths_cost_what_flooding_says(terrain, rng):
    maze = terrain(0.2)
    (pin,) = random_pins(rng, 1)
    cost = maze.flood(maze.from_pin(pin))

    for node in np.argwhere(cost < BLOCKED):
        path = maze.path(cost, tuple(map(int, node)))
        total = sum(int(maze.pixels[step]) for step in path)
        for a, b in itertools.pairwise(path):
            assert sum(abs(i - j) for i, j in zip(a, b, strict=True)) == 1
            total += int(maze.vias[min(a[0], b[0]), a[1], a[2]]) if a[0] != b[0] else 0
        start, x, y = path[-1][0], path[-1][2], path[-1][1]
        assert [x, y] == pin.tolist()
        assert total + maze.landing(pin)[start] == cost[tuple(node)]


@pytest.mark.parametrize("blocked", [0, 0.2, 0.35])
def test_three_pins_meet_where_the_ways_cost_least(terrain, blocked, rng):
    for _ in range(20):
        maze, pins = terrain(blocked, vias=1), random_pins(rng, 3)
        reached = [dijkstra(maze, pin) for pin in pins]
        shared = set.intersection(*map(set, reached))
        least = min(
            (sum(r[node] for r in reached) - 2 * int(maze.pixels[node]) for node in shared),
            default=None,
        )

        found = mazes._exact(maze, pins)

        assert (found is None) == (least is None)
        if found:
            nodes, landings = found
            assert sum(int(maze.pixels[node]) for node in set(nodes)) == least
            assert len(landings) == 3


@pytest.mark.parametrize("count", [2, 3, 5, 6, 9])
@pytest.mark.parametrize("blocked", [0, 0.15, 0.3])
def test_trees_join_their_pins_and_touch_nothing_blocked(terrain, count, blocked, rng):
    for _ in range(10):
        maze, pins = terrain(blocked), random_pins(rng, count)

        metal = cheapest_tree(maze, pins)

        if metal is None:
            reached = dijkstra(maze, pins[0])
            ends = [[(k, y, x) in reached for k in range(4)] for x, y in pins]
            lifts = [maze.landing(pin) < BLOCKED for pin in pins]
            ways = [(np.array(end) & lift).any() for end, lift in zip(ends, lifts, strict=True)]
            assert not all(ways)
        else:
            assert (maze.pixels[metal] < BLOCKED).all()
            assert joins(maze, metal, pins)


def test_growing_a_tree_costs_no_less_than_the_cheapest(terrain, rng):
    for _ in range(10):
        maze, pins = terrain(0, vias=1), random_pins(rng, 5)

        cheapest, grown = (
            sum(int(maze.pixels[node]) for node in set(find(maze, pins)[0]))
            for find in (mazes._exact, mazes._nearest_first)
        )

        assert cheapest <= grown


@pytest.mark.parametrize("pins", [[], [(1, 1)], [(1, 1), (1, 1)]])
def test_a_tree_needs_two_pins(terrain, pins):
    with pytest.raises(ValueError, match="two or more different pins"):
        cheapest_tree(terrain(0), np.array(pins))
