"""Trees join all terminals, and are about as short as the shortest ones."""

import time

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from keras_route.chip.compiled.topology import spanning_tree, steiner_tree
from keras_route.layout.steiner import steiner_length


def length(points, edges):
    return np.abs(points[edges[:, 0]] - points[edges[:, 1]]).sum()


def pieces(points, edges):
    ones = np.ones(len(edges))
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(len(points),) * 2)
    return connected_components(graph, directed=False)[0]


def random_points(seed, count=None, side=5000):
    rng = np.random.default_rng(seed)
    return rng.integers(0, side, (count or rng.integers(2, 40), 2))


@pytest.mark.parametrize("seed", range(20))
def test_a_spanning_tree_is_as_short_as_any(seed):
    points = random_points(seed)
    edges = spanning_tree(points)
    gaps = np.abs(points[:, None] - points).sum(axis=2)
    assert length(points, edges) == minimum_spanning_tree(gaps).sum()
    assert pieces(points, edges) == 1


@pytest.mark.parametrize("side", [6, 5000])
@pytest.mark.parametrize("seed", range(20))
def test_a_tree_joins_its_terminals_and_is_never_longer_than_the_spanning_tree(seed, side):
    terminals = random_points(seed, side=side)  # many points of a small square are the same
    points, edges = steiner_tree(terminals)
    assert (points[: len(terminals)] == terminals).all()
    assert len(edges) == len(points) - 1
    assert pieces(points, edges) == 1
    assert length(points, edges) <= length(terminals, spanning_tree(terminals))
    # An added point is where three ways meet.
    assert (np.bincount(edges.ravel(), minlength=len(points))[len(terminals) :] > 2).all()


def test_three_points_meet_at_the_middle_of_each_axis(rng):
    for _ in range(20):
        terminals = rng.integers(0, 100, (3, 2))
        assert length(*steiner_tree(terminals)) == np.ptp(terminals, axis=0).sum()


def test_trees_are_nearly_as_short_as_the_shortest_ones():
    ratios = []
    for seed in range(150):
        terminals = random_points(seed, 2 + seed % 6)
        exact = steiner_length(map(tuple, terminals.tolist()))
        ratios.append(length(*steiner_tree(terminals)) / exact)
    for seed in range(4):
        terminals = random_points(seed, 8 + seed % 2)
        exact = steiner_length(map(tuple, terminals.tolist()))
        ratios.append(length(*steiner_tree(terminals)) / exact)
    assert min(ratios) >= 1
    assert np.mean(ratios) <= 1.005, np.mean(ratios)
    assert np.quantile(ratios, 0.95) <= 1.03, np.quantile(ratios, 0.95)
    assert max(ratios) <= 1.06, max(ratios)


def test_one_point_and_two_points_need_no_other():
    points, edges = steiner_tree(np.array([[3, 4]]))
    assert points.tolist() == [[3, 4]] and len(edges) == 0
    points, edges = steiner_tree(np.array([[3, 4], [8, 1]]))
    assert points.tolist() == [[3, 4], [8, 1]] and sorted(edges[0]) == [0, 1]


def test_500_points_take_far_less_than_a_second():
    steiner_tree(random_points(0, 20))
    start = time.process_time()
    terminals = random_points(1, 500)
    found = length(*steiner_tree(terminals))
    assert time.process_time() - start < 0.5
    assert found < 0.95 * length(terminals, spanning_tree(terminals))
