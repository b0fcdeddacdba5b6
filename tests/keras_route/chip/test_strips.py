"""Strips: every net once, and far enough from the nets of other strips."""

import numpy as np
import pytest

from keras_route.chip.strips import GUARD_UM, STRIP_UM, strips

DBU = 100


@pytest.mark.parametrize("width_um", [30.0, 150.0, 610.0])
def test_each_net_has_one_place_and_room_around_it(width_um):
    rng = np.random.default_rng(0)
    x = np.arange(0, int(width_um * DBU) + 1, 19)
    low = rng.integers(0, x[-1], 300)
    high = np.minimum(low + rng.exponential(8 * DBU, 300).astype(int), x[-1])
    spans = {net: (int(a), int(b)) for net, (a, b) in enumerate(zip(low, high, strict=True))}

    divisions, others = strips(spans, spans, x, DBU)

    placed = [net for division in divisions for strip in division for net in strip.nets]
    assert sorted([*placed, *others]) == list(spans)
    for division in divisions:
        for strip in division:
            first, last = x[strip.first], x[strip.behind - 1]
            for net in strip.nets:
                assert first - 19 <= spans[net][0]
                assert spans[net][1] <= last + 19
        for left, right in zip(division, division[1:], strict=False):
            assert x[right.first] - x[left.behind - 1] >= 2 * GUARD_UM * DBU


def test_a_narrow_design_is_one_piece_in_order():
    x = np.arange(0, int(STRIP_UM * DBU))
    assert strips([3, 1, 2], dict.fromkeys((1, 2, 3), (0, 5)), x, DBU) == ([], [3, 1, 2])
