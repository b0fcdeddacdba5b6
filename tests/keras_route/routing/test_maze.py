import heapq

import numpy as np
import pytest

from keras_route.routing.compiled import tracks, trees
from keras_route.routing.maze import BLOCKED, DEAREST, Maze, cheapest_tree, tree_with_cost

pytestmark = pytest.mark.check


@pytest.fixture
def terrain(rng):
    """Return random mazes, a part of which is blocked."""

    def build(blocked, height=9, width=11, vias=9, unit=1):
        pixels = unit * rng.integers(1, 9, (4, height, width))
        pixels[rng.random(pixels.shape) < blocked] = BLOCKED
        return Maze(pixels, unit * rng.integers(0, vias, (3, height, width)))

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


def paths_from(maze, pin):
    """Return the nodes of a maze and the cost of the path from a pin to each, compiled."""
    pixels, vias, free, usable, horizontal, x, y, far = maze.arguments(pin[None])
    nodes = tracks.graph(pixels, vias, usable, usable, horizontal, far)
    stacks = tracks.landings(vias, free, x, y, far)
    return nodes, trees.costs_of_trees(1, nodes, x, y, stacks, far, 1)[1], far[0]


# The costs of the second unit need 64 bits.
@pytest.mark.parametrize("unit", [1, DEAREST // 8])
@pytest.mark.parametrize("blocked", [0, 0.2, 0.4])
def test_flooding_finds_what_dijkstra_finds(terrain, blocked, unit, rng):
    for _ in range(20):
        maze = terrain(blocked, unit=unit)
        (pin,) = random_pins(rng, 1)

        (_, place, *_), cost, far = paths_from(maze, pin)

        reached = cost < far
        nodes = map(tuple, place[reached].tolist())
        assert dict(zip(nodes, cost[reached].tolist(), strict=True)) == dijkstra(maze, pin)


def test_two_pins_are_joined_by_the_cheapest_path(terrain, rng):
    for _ in range(20):
        maze, pins = terrain(0.2), random_pins(rng, 2)
        reached = [dijkstra(maze, pin) for pin in pins]
        least = min(
            (
                reached[0][n] + reached[1][n] - int(maze.pixels[n])
                for n in reached[0]
                if n in reached[1]
            ),
            default=None,
        )

        cost, metal = tree_with_cost(maze, pins)

        assert (metal is None) == (least is None)
        assert metal is None or cost == least


@pytest.mark.parametrize("blocked", [0, 0.2, 0.35])
def test_three_pins_meet_where_the_ways_cost_least(terrain, blocked, rng):
    for _ in range(20):
        maze, pins = terrain(blocked), random_pins(rng, 3)
        reached = [dijkstra(maze, pin) for pin in pins]
        shared = set.intersection(*map(set, reached))
        least = min(
            (sum(r[node] for r in reached) - 2 * int(maze.pixels[node]) for node in shared),
            default=None,
        )

        cost, metal = tree_with_cost(maze, pins)

        assert (metal is None) == (least is None)
        assert metal is None or cost == least


def test_the_tree_through_a_pixel_costs_what_the_ways_that_meet_there_cost(terrain, rng):
    for blocked in (0, 0.2):
        maze, pins = terrain(blocked), random_pins(rng, 2)
        reached = [dijkstra(maze, pin) for pin in pins]
        arguments = maze.arguments(pins)

        through = trees.costs_through(*arguments)

        for node, cost in np.ndenumerate(through):
            if all(node in r for r in reached):
                assert cost == sum(r[node] for r in reached) - int(maze.pixels[node])
            else:
                assert cost >= arguments[-1][0]


@pytest.mark.parametrize("count", [3, 5, 7])
def test_the_cheapest_of_the_trees_through_all_pixels_is_the_cheapest_tree(terrain, count, rng):
    for _ in range(5):
        maze, pins = terrain(0.1), random_pins(rng, count)
        cost, metal = tree_with_cost(maze, pins)
        if metal is None:
            continue

        through = trees.costs_through(*maze.arguments(pins))

        assert through.min() == cost
        kept = tree_with_cost(maze, pins, through == cost)[0]
        assert kept == cost


def test_a_tree_stays_within_the_pixels_that_are_given(terrain, rng):
    for _ in range(10):
        maze, pins = terrain(0), random_pins(rng, 4)
        within = rng.random(maze.pixels.shape) < 0.8
        within[:, pins[:, 1], pins[:, 0]] = True
        whole, _ = tree_with_cost(maze, pins)

        cost, metal = tree_with_cost(maze, pins, within)

        if metal is not None:
            assert cost >= whole
            assert not (metal & ~within).any()
            assert joins(maze, metal, pins)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 9])
@pytest.mark.parametrize("blocked", [0, 0.15, 0.3])
def test_trees_join_their_pins_and_touch_nothing_blocked(terrain, count, blocked, rng):
    for _ in range(10):
        maze, pins = terrain(blocked), random_pins(rng, count)

        metal = cheapest_tree(maze, pins)

        if metal is None:
            reached = dijkstra(maze, pins[0])
            ends = [[(k, y, x) in reached for k in range(4)] for x, y in pins]
            lifts = tracks.landings(maze.vias, maze.free, *pins.T, np.array([BLOCKED])) < BLOCKED
            ways = [(np.array(end) & lift).any() for end, lift in zip(ends, lifts, strict=True)]
            assert not all(ways)
        else:
            assert (maze.pixels[metal] < BLOCKED).all()
            assert joins(maze, metal, pins)


def test_growing_a_tree_costs_no_less_than_the_cheapest(terrain, rng):
    for _ in range(10):
        maze, pins = terrain(0, vias=1), random_pins(rng, 5)
        arguments = maze.arguments(pins)

        cheapest, grown = (
            int(maze.pixels[search(*arguments)[1]].sum())
            for search in (trees.cheapest, trees.nearest_first)
        )

        assert cheapest <= grown


@pytest.mark.parametrize("pins", [[], [(1, 1)], [(1, 1), (1, 1)]])
def test_a_tree_needs_two_pins(terrain, pins):
    with pytest.raises(ValueError, match="two or more different pins"):
        cheapest_tree(terrain(0), np.array(pins))
