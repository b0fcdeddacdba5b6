import itertools

import numpy as np
import pytest

from keras_route.data.random_nets import generate
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.pins import PinSets, pins_of
from keras_route.routing.decode import decode
from keras_route.technology.layers import METALS

pytestmark = pytest.mark.check

PAIRS = (("m4", "m3"), ("m4", "m5"), ("m6", "m5"))
SIZES = [{}, {"height": 12, "width": 7}, {"height": 64, "width": 48, "max_pins": 9}]


def family(pins, height, width):
    """Yield every single-trunk route, drawn pixel by pixel."""
    (left, top), (right, bottom) = np.min(pins, axis=0), np.max(pins, axis=0)
    for lying, (flat, upright) in itertools.product((True, False), PAIRS):
        for line in range(height if lying else width):
            labels = np.zeros((height, width, 8), "uint8")
            m, n = METALS[flat].channel, METALS[upright].channel
            if lying:
                labels[line, left : right + 1, m] = 1
            else:
                labels[top : bottom + 1, line, n] = 1
            aligned = top == bottom if lying else left == right
            if aligned and line != (top if lying else left):
                continue
            if (left == right) if lying else (top == bottom):
                continue  # the trunk is no trunk
            for x, y in pins:
                labels[y, x, 0] = 1
                if lying and not aligned:
                    labels[min(y, line) : max(y, line) + 1, x, n] = 1
                if not lying and not aligned:
                    labels[y, min(x, line) : max(x, line) + 1, m] = 1
            labels[..., (m + n) // 2] = labels[..., m] & labels[..., n]
            yield labels


@pytest.mark.parametrize("size", SIZES)
def test_what_the_layout_rule_draws_stays_as_it_is(size):
    images, labels = generate(500, **size)

    np.testing.assert_array_equal(decode(8.0 * labels - 4, pins_of(images)), labels)


def test_no_route_of_the_family_has_a_larger_sum(rng):
    images, labels = generate(60, height=9, width=6)
    log_odds = rng.integers(-9, 9, labels.shape).astype("float32")
    log_odds[..., 0] = 0

    routes = decode(log_odds, pins_of(images))

    for odds, route, pins in zip(log_odds, routes, pins_of(images), strict=True):
        sums = {drawn.tobytes(): (odds * drawn).sum() for drawn in family(pins, 9, 6)}
        assert sums[route.tobytes()] == max(sums.values())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0, 1, 1e30, np.nan])
def test_any_scores_give_legal_nets(size, scale, rng):
    images, labels = generate(60, **size)
    log_odds = scale * rng.normal(size=labels.shape)

    for route, pins in zip(decode(log_odds, pins_of(images)), pins_of(images), strict=True):
        assert check(Net.from_labels(route, pins)) == []


def test_noise_of_the_scores_is_overcome(rng):
    images, labels = generate(300)
    log_odds = 8 * (labels - 0.5) + rng.normal(0, 4, labels.shape)

    assert ((log_odds > 0) != labels).any(axis=(1, 2, 3)).all()
    assert (decode(log_odds, pins_of(images)) == labels).all(axis=(1, 2, 3)).mean() > 0.97


def test_a_net_does_not_depend_on_the_others_of_its_batch(rng):
    images, labels = generate(300)
    log_odds = rng.normal(size=labels.shape)
    pins = pins_of(images)

    together = decode(log_odds, pins)

    for i in range(0, 300, 23):
        np.testing.assert_array_equal(
            decode(log_odds[i : i + 1], pins.part(i, i + 1))[0], together[i]
        )


def test_repeated_pins_count_once(rng):
    log_odds = rng.normal(size=(20, 16, 16, 8))
    pins = rng.integers(0, 16, (20, 3, 2))

    twice = decode(log_odds, PinSets.of(np.concatenate([pins, pins[:, ::-1]], axis=1)))

    np.testing.assert_array_equal(twice, decode(log_odds, PinSets.of(pins)))


def test_no_nets_give_no_labels():
    assert decode(np.zeros((0, 32, 32, 8)), PinSets.of([])).shape == (0, 32, 32, 8)
