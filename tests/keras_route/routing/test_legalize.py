import numpy as np
import pytest

from keras_route.data.random_nets import draw_net, generate
from keras_route.layout.blocked import footprint
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.pins import pins_of
from keras_route.routing.legalize import legalize

pytestmark = pytest.mark.check

PINS = np.array([(26, 3), (5, 12), (31, 25)])


@pytest.mark.parametrize("size", [{}, {"height": 40, "width": 17, "max_pins": 9}])
def test_routes_between_obstacles_are_legal(size, rng):
    routed = 0
    for label in generate(25, **size)[1]:
        (pins,) = pins_of(label[None, ..., :1])
        blocked = rng.random((*label.shape[:2], 4)) < 0.2
        blocked[pins[:, 1], pins[:, 0], 0] = False
        log_odds = 8 * (label - 0.5) + rng.normal(0, 2, label.shape)
        try:
            route = legalize(log_odds, pins, blocked)
        except ValueError as error:  # whether a way is free: see the tests of mazes
            assert "joined where a way is free: block less" in str(error)
            continue
        routed += 1
        assert check(Net.from_labels(route, pins), blocked) == []
        assert not (footprint(route, pins) & blocked).any()
    assert routed > 20


@pytest.mark.parametrize("nothing", [0, 0.1, 1])
@pytest.mark.parametrize("scale", [0, 1, 1e6, 1e30, np.inf])
def test_any_scores_give_a_legal_route(scale, nothing, rng):
    for label in generate(5)[1]:
        (pins,) = pins_of(label[None, ..., :1])
        log_odds = np.where(scale, scale * rng.normal(size=label.shape), 0)
        log_odds[rng.random(label.shape) < nothing] = np.nan
        route = legalize(log_odds, pins)
        assert check(Net.from_labels(route, pins)) == []


def test_a_score_that_is_no_number_says_nothing(rng):
    scores = rng.normal(size=(32, 32, 8))
    scores[rng.random(scores.shape) < 0.3] = np.nan

    np.testing.assert_array_equal(
        legalize(scores, PINS), legalize(np.where(np.isnan(scores), 0, scores), PINS)
    )


def test_a_long_way_that_the_network_holds_impossible_is_free():
    pins = np.array([(0, 0), (1099, 1)])

    route = legalize(np.full((2, 1100, 8), -1e6), pins)

    assert check(Net.from_labels(route, pins)) == []


def test_what_a_sure_network_decided_stays_where_nothing_is_in_the_way():
    label = draw_net(PINS)

    np.testing.assert_array_equal(legalize(100.0 * (label - 0.5), PINS), label)


def test_a_blocked_pixel_costs_a_small_detour():
    label = draw_net(PINS)
    blocked = np.zeros((32, 32, 4), bool)
    blocked[13, 15, 3] = True  # of m6, the trunk

    route = legalize(16.0 * (label - 0.5), PINS, blocked)

    assert check(Net.from_labels(route, PINS), blocked) == []
    kept = np.count_nonzero(route & label) / np.count_nonzero(label)
    assert kept > 0.8


def test_without_a_network_routes_are_about_as_short_as_can_be():
    nets = []
    for label in generate(40)[1]:
        (pins,) = pins_of(label[None, ..., :1])
        nets.append(Net.from_labels(legalize(np.zeros(label.shape), pins), pins))

    length, shortest = (sum(getattr(n, a) for n in nets) for a in ("wire_length", "steiner_length"))
    assert shortest - 1e-9 <= length < 1.02 * shortest


def test_a_stack_below_a_pin_avoids_what_is_blocked():
    blocked = np.zeros((32, 32, 4), bool)
    blocked[3, 26, 1] = True  # m4 above a pin: the stack ends on m3

    route = legalize(16.0 * (draw_net(PINS) - 0.5), PINS, blocked)

    assert Net.from_labels(route, PINS).landing(26, 3) == "m3"


def test_separated_pins_are_an_error_that_says_so():
    wall = np.zeros((32, 32), bool)
    wall[:, 20] = True

    with pytest.raises(ValueError, match="block less.*blocked=128 of 4096"):
        legalize(np.zeros((32, 32, 8)), PINS, wall)


def test_blocked_has_the_size_of_the_window():
    with pytest.raises(ValueError, match=r"Received: blocked of shape \(31, 32\)"):
        legalize(np.zeros((32, 32, 8)), PINS, np.zeros((31, 32), bool))
