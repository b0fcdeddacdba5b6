import dataclasses

import numpy as np
import pytest

from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.pins import PinSets
from keras_route.routing.compiled.likely import mark_likely
from keras_route.routing.legalize import legalize
from keras_route.routing.pruned_search import pruned_search
from keras_route.training.search_evaluation import route_cost
from keras_route.training.search_labels import SearchFamily

pytestmark = pytest.mark.check

FAMILY = SearchFamily(height=16, width=16, max_pins=5, window_um=5.5)


@pytest.fixture(scope="module")
def windows():
    return [FAMILY.window(4, index) for index in range(20)]


def routed(windows, scores):
    blocked = np.stack([taken for _, taken in windows])
    return pruned_search(scores, PinSets.of(pins for pins, _ in windows), blocked, 5.5)


@pytest.mark.parametrize("scale", [0.0, 3.0, 30.0, np.inf])
@pytest.mark.parametrize("nothing", [0, 0.1, 1])
def test_any_scores_give_legal_nets(windows, scale, nothing, rng):
    scores = np.where(scale, scale * rng.normal(size=(20, 16, 16, 8)), 0)
    scores[rng.random(scores.shape) < nothing] = np.nan

    labels = routed(windows, scores)

    for label, (pins, blocked) in zip(labels, windows, strict=True):
        assert check(Net.from_labels(label, pins), blocked) == []


@pytest.mark.parametrize("score", [np.inf, -np.inf])
def test_all_pixels_or_none_give_the_cheapest_net(windows, score):
    labels = routed(windows, np.full((20, 16, 16, 8), score))

    for label, (pins, blocked) in zip(labels, windows, strict=True):
        best = legalize(np.zeros((16, 16, 8)), pins, blocked, 5.5)
        np.testing.assert_array_equal(label, best)


def test_a_net_lies_on_likely_pixels_if_these_join_its_pins(windows, rng):
    for pins, blocked in windows:
        label = legalize(rng.normal(0, 2, (16, 16, 8)), pins, blocked, 5.5)
        scores = np.where(label, 9.0, -9.0)

        (found,) = routed([(pins, blocked)], scores[None])

        likely = label.astype(bool)
        likely[pins[:, 1], pins[:, 0]] = True
        assert not (found & ~likely)[..., [1, 3, 5, 7]].any()


@pytest.mark.parametrize("pins", [2, 9])
def test_the_search_looks_at_fewer_pixels_if_there_are_more_pins(pins, rng):
    family = dataclasses.replace(FAMILY, min_pins=pins, max_pins=pins, window_um=11.0)
    dearer = 0
    for index in range(8):
        net, blocked = family.window(6, index)
        label = legalize(rng.normal(0, 2, (16, 16, 8)), net, blocked)
        scores = np.where(label, 9.0, -6.5)

        (found,) = pruned_search(scores[None], PinSets.of([net]), blocked[None])

        best = legalize(np.zeros((16, 16, 8)), net, blocked)
        costs = [route_cost(Net.from_labels(one, net), blocked) for one in (found, best)]
        dearer += costs[0] > costs[1]
    assert (dearer > 0) == (pins == 9)


def test_likely_pixels_are_those_above_the_threshold_and_the_stacks_of_pins(rng):
    scores = rng.normal(size=(7, 9, 8)).astype("float32")
    scores[rng.random(scores.shape) < 0.1] = np.nan
    blocked = rng.random((7, 9, 4)) < 0.3
    x, y = np.array([3, 8]), np.array([6, 0])
    for threshold in (-np.inf, -1.0, 0.5):
        likely = np.moveaxis(scores[..., 1::2], -1, 0) > threshold
        likely |= threshold == -np.inf
        likely[:, y, x] = True
        free, usable = np.empty((2, 4, 7, 9), bool)

        size = mark_likely(scores, np.array([1, 3, 5, 7]), blocked, threshold, x, y, free, usable)

        np.testing.assert_array_equal(free, ~np.moveaxis(blocked, -1, 0))
        np.testing.assert_array_equal(usable, likely & free)
        assert size == likely.sum()


def test_repeated_pins_are_joined_once(windows):
    pins, blocked = windows[0]

    one, other = (
        pruned_search(np.zeros((1, 16, 16, 8)), PinSets.of([p]), blocked[None], 5.5)
        for p in (pins, np.concatenate([pins, pins]))
    )

    np.testing.assert_array_equal(one, other)


def test_separated_pins_are_an_error_that_says_so():
    wall = np.zeros((1, 16, 16, 4), bool)
    wall[:, :, 8] = True

    with pytest.raises(ValueError, match="block less"):
        pruned_search(np.zeros((1, 16, 16, 8)), PinSets.of([[(1, 1), (14, 3)]]), wall)
