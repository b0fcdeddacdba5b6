import itertools
import math

import pytest

from keras_route.data.random_nets import generate
from keras_route.layout.net import Net
from keras_route.layout.resistor_network import resistance_between, resistors

pytestmark = pytest.mark.check

CUBE = [(a, b, 1.0) for a, b in itertools.combinations(range(8), 2) if bin(a ^ b).count("1") == 1]


@pytest.mark.parametrize(
    ("pairs", "a", "b", "ohm"),
    [
        ([(0, 1, 5.0)], 0, 1, 5),
        ([(0, 1, 5.0), (1, 2, 7.0)], 0, 2, 12),
        ([(0, 1, 6.0), (0, 1, 3.0)], 0, 1, 2),
        ([(0, 1, 5.0), (1, 2, 7.0), (1, 3, 100.0)], 0, 2, 12),
        ([(0, 1, 5.0), (2, 3, 7.0)], 2, 3, 7),
        ([(0, 1, 5.0), (2, 3, 7.0)], 0, 3, math.inf),
        ([], 0, 1, math.inf),
        ([], 0, 0, 0),
        (CUBE, 0, 1, 7 / 12),
        (CUBE, 0, 3, 3 / 4),
        (CUBE, 0, 7, 5 / 6),
    ],
)
def test_known_networks(pairs, a, b, ohm):
    assert resistance_between(pairs, a, b) == pytest.approx(ohm, rel=1e-12)
    assert resistance_between(pairs, b, a) == pytest.approx(ohm, rel=1e-12)


def test_resistances_of_the_drawn_wires_have_the_lengths_of_the_net():
    for labels in generate(50)[1]:
        net = Net.from_labels(labels)
        found = resistors(net)
        assert len(found) == len(net.cuts()) + sum(a[0] == b[0] for a, b, _ in found)
        lengths = dict.fromkeys(net.wire_lengths, 0)
        for (layer, x0, y0), (other, x1, y1), _ in found:
            if layer == other:
                lengths[layer] += (x1 - x0 + y1 - y0) * 11 / 32
        assert lengths == net.wire_lengths


def test_a_tree_has_the_resistance_of_its_only_paths():
    """Foster: resistances over the resistors, each divided by its own, sum to nodes minus one."""
    for labels in generate(20, seed=1)[1]:
        found = resistors(Net.from_labels(labels))
        nodes = {node for a, b, _ in found for node in (a, b)}
        shares = sum(resistance_between(found, a, b) / ohm for a, b, ohm in found)
        assert shares == pytest.approx(len(nodes) - 1, rel=1e-9)
