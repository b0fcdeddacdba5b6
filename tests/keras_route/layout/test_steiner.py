import itertools

import numpy as np
import pytest

from keras_route.layout.steiner import steiner_length

pytestmark = pytest.mark.check


def spanning_length(points):
    """Return the length of the shortest tree without further points (Prim)."""
    reached, rest, length = [points[0]], list(points[1:]), 0
    while rest:
        step, nearest = min((abs(np.subtract(a, b)).sum(), b) for a in reached for b in rest)
        length += step
        reached.append(nearest)
        rest.remove(nearest)
    return length


def searched_length(points):
    """Return the shortest spanning tree over all choices of further points of the Hanan grid."""
    grid = set(itertools.product({x for x, _ in points}, {y for _, y in points})) - set(points)
    return min(
        spanning_length([*points, *more])
        for count in range(max(len(points) - 1, 1))
        for more in itertools.combinations(sorted(grid), count)
    )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_choice_of_further_points_is_shorter(rng, count):
    for _ in range(12):
        points = list({tuple(point) for point in rng.integers(0, 20, (count, 2)).tolist()})
        assert steiner_length(points) == searched_length(points)


def test_five_points_too(rng):
    points = [tuple(point) for point in rng.integers(0, 20, (5, 2)).tolist()]
    assert steiner_length(points) == searched_length(points)


@pytest.mark.parametrize(
    ("points", "length"),
    [
        ([(3, 4)], 0),
        ([(3, 4), (3, 4)], 0),
        ([(0, 0), (3, 4)], 7),
        ([(0, 0), (4, 2), (2, 9)], 13),
        ([(1, 0), (0, 1), (2, 1), (1, 2)], 4),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], 3),
        ([(0, 0), (0, 10), (10, 0), (10, 10)], 30),
        ([(x, y) for x in range(3) for y in range(3)], 8),
        ([(x, 0) for x in range(9)], 8),
    ],
)
def test_known_trees(points, length):
    assert steiner_length(points) == length


def test_order_repetition_and_mirroring_change_nothing(rng):
    for count in range(2, 10):
        points = rng.integers(0, 40, (count, 2))
        length = steiner_length(points.tolist())
        assert steiner_length([*points[::-1].tolist(), points[0].tolist()]) == length
        assert steiner_length((points[:, ::-1] * [1, -1]).tolist()) == length
        assert steiner_length((points * 0.25 + 7).tolist()) == length / 4


def test_between_half_the_bounding_box_and_the_spanning_tree(rng):
    for count in range(2, 10):
        points = [tuple(point) for point in rng.integers(0, 40, (count, 2)).tolist()]
        length = steiner_length(points)
        assert np.ptp(points, axis=0).sum() <= length <= spanning_length(points)
        assert 1.5 * length >= spanning_length(points)  # Hwang, 1976


@pytest.mark.parametrize("count", [0, 10])
def test_the_number_of_points_is_limited(count):
    with pytest.raises(ValueError, match=f"Received: {count} different points"):
        steiner_length([(i, i * i) for i in range(count)])
