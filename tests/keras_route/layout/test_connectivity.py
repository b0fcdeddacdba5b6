"""Connectivity follows the directions of the layers (checks 22, 26)."""

import numpy as np
import pytest
from keras import ops

from keras_route.data.random_nets import draw_net, generate
from keras_route.layout.connectivity import connected
from keras_route.technology.layers import LAYERS, METALS, VIAS

pytestmark = pytest.mark.check

PIN, M3, VIA3, M4, VIA4, M5, VIA5, M6 = range(8)


def verdicts(labels):
    return ops.convert_to_numpy(connected(labels))


def by_pixels(labels):
    """Decide the same for one image by a search from pixel to pixel."""
    nodes = {tuple(node) for node in np.argwhere(labels)}
    pins = sorted(node for node in nodes if node[2] == PIN)
    reached, waiting = set(pins[:1]), pins[:1]
    while waiting:
        for node in neighbours(*waiting.pop(), nodes):
            if node in nodes - reached:
                reached.add(node)
                waiting.append(node)
    return bool(pins) and reached == nodes and all(landing(*pin[:2], nodes) for pin in pins)


def neighbours(y, x, channel, nodes):
    metals = {metal.channel: metal for metal in METALS.values()}
    if channel in metals:
        steps = ((0, 1), (0, -1)) if metals[channel].horizontal else ((1, 0), (-1, 0))
        yield from ((y + dy, x + dx, channel) for dy, dx in steps)
        vias = {via.channel: via for via in VIAS.values()}
        yield from ((y, x, c) for c in vias if abs(c - channel) == 1)
        if landing(y, x, nodes) == channel:
            yield (y, x, PIN)
    elif channel == PIN:
        yield (y, x, landing(y, x, nodes))
    else:
        yield from ((y, x, channel - 1), (y, x, channel + 1))


def landing(y, x, nodes):
    return min((m.channel for m in METALS.values() if (y, x, m.channel) in nodes), default=None)


def test_a_search_from_pixel_to_pixel_says_the_same(rng):
    _, labels = generate(300, seed=1, height=9, width=13)
    flips = rng.random(labels.shape) < rng.choice([0, 1e-3, 3e-3], size=(300, 1, 1, 1))
    spoilt = labels ^ flips

    expected = [by_pixels(image) for image in spoilt]

    assert 50 < sum(expected) < 250
    np.testing.assert_array_equal(verdicts(spoilt), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (3, 4)])
def test_a_search_says_the_same_of_noise(shape, rng):
    share = rng.choice([0.3, 0.7, 0.95], (300, 1, 1, 1))
    noise = rng.random((300, *shape, 8)) < share
    np.testing.assert_array_equal(verdicts(noise), [by_pixels(image) for image in noise])


def test_every_net_of_the_layout_rule_is_connected():  # check 26
    _, labels = generate(500, seed=0)
    assert verdicts(labels).all()


def test_a_winding_route_is_followed_to_its_end():
    size = 16
    labels = np.zeros((1, size, size, 8), "uint8")
    labels[0, ::2, :, M4] = 1
    for row in range(0, size - 2, 2):
        column = 0 if row % 4 else size - 1
        labels[0, row : row + 3, column, M3] = 1
        labels[0, [row, row + 2], column, VIA3] = 1
    labels[0, 0, 0, PIN] = labels[0, size - 2, 3, PIN] = 1
    assert verdicts(labels).tolist() == [True]
    labels[0, 8, 7, M4] = 0
    assert verdicts(labels).tolist() == [False]


def test_wires_on_neighbouring_tracks_are_apart():  # check 22
    labels = draw_net([(4, 0), (5, 0), (20, 10)])
    assert labels[0:4, 4:6, M3].all()
    spoilt = labels.copy()
    spoilt[3, 4, VIA3] = 0  # the leg at x = 4 still touches the one at x = 5 sideways
    assert verdicts(np.stack([labels, spoilt])).tolist() == [True, False]


def test_a_missing_pixel_opens_the_net():  # checks 8, 48
    net = draw_net([(26, 3), (5, 12), (31, 25)])
    spoilt = []
    for y, x, layer in [(13, 15, "m6"), (13, 31, "via5"), (20, 31, "m5"), (25, 31, "m5")]:
        labels = net.copy()
        assert labels[y, x, LAYERS.index(layer)] == 1
        labels[y, x, LAYERS.index(layer)] = 0
        spoilt.append(labels)
    assert verdicts(np.stack(spoilt)).tolist() == [False] * 4


def test_nothing_may_be_left_over():
    spoilt = np.stack([draw_net([(26, 3), (5, 12), (31, 25)])] * 8)
    for channel, labels in enumerate(spoilt):
        labels[30, 1, channel] = 1
    assert verdicts(spoilt).tolist() == [False] * 8


def test_a_pin_lies_on_the_lowest_metal():
    labels = draw_net([(0, 4), (5, 5), (12, 6)])  # the second pin is on the trunk
    labels[5, 5, VIA3] = 0
    assert verdicts(labels[None]).tolist() == [False]


def test_a_net_without_pins_is_not_connected():
    assert verdicts(np.zeros((2, 4, 4, 8), "uint8")).tolist() == [False, False]


@pytest.mark.parametrize("shape", [(32, 32, 8), (1, 32, 32, 16), (1, 8, 32, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"Received: labels of shape \("):
        connected(np.zeros(shape, "uint8"))
