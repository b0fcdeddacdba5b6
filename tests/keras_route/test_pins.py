import itertools

import numpy as np
import pytest

from keras_route.pins import HELD_OUT_SHARE, PinSets, checked_pins, join, pins_of, without_repeats

pytestmark = pytest.mark.check


def nets(*pins):
    return PinSets.of(checked_pins(p, 100, 100) for p in pins)


def as_sets(pins):
    x, y, net = pins.x.tolist(), pins.y.tolist(), pins.net.tolist()
    return [{(a, b) for a, b, n in zip(x, y, net, strict=True) if n == i} for i in range(len(pins))]


def test_pins_belong_to_their_net():
    first, second = [(1, 2), (3, 4), (1, 2)], [(9, 8), (7, 6)]
    pins = nets(first, second)

    assert pins.net.tolist() == [0, 0, 0, 1, 1]
    assert as_sets(pins) == [set(first), set(second)]
    assert as_sets(pins.part(0, 1)) == [set(first)]
    assert as_sets(pins.select(np.array([False, True]))) == [set(second)]
    assert pins.reduce(np.add, pins.x).tolist() == [5, 16]
    assert [v.tolist() for v in pins.extent(pins.y)] == [[2, 6], [4, 8]]


def test_nets_are_pin_arrays_whatever_they_come_from(rng):
    arrays = [rng.permutation(40)[: 2 * n].reshape(n, 2) for n in (3, 2, 7, 2)]
    pins = PinSets.of(arrays)

    assert [net.tolist() for net in pins] == [net.tolist() for net in arrays]
    assert [net.tolist() for net in pins.part(1, 3)] == [net.tolist() for net in arrays[1:3]]
    assert [net.tolist() for net in pins.part(3, 9)] == [arrays[3].tolist()]
    joined = join([pins.part(0, 1), pins.part(1, 4)])
    assert [net.tolist() for net in joined] == [net.tolist() for net in arrays]
    assert list(PinSets.of([])) == []


def test_an_image_shows_its_pins_row_by_row(rng):
    images = (rng.random((9, 6, 5, 1)) < 0.2).astype("uint8")
    images[4] = 0

    pins = pins_of(images)

    expected = [np.argwhere(image)[:, ::-1].tolist() for image in images[..., 0]]
    assert [net.tolist() for net in pins] == expected


def test_pins_without_repeats_keep_their_order():
    pins = np.array([(7, 1), (2, 9), (7, 1), (0, 0), (2, 9)])
    assert without_repeats(pins).tolist() == [[7, 1], [2, 9], [0, 0]]


def test_distinct_pins_are_the_same_set(rng):
    counts = rng.integers(2, 9, 500)
    pins = PinSets(rng.integers(0, 3, counts.sum()), rng.integers(0, 4, counts.sum()), counts)

    distinct = pins.distinct()

    assert as_sets(distinct) == as_sets(pins)
    assert distinct.counts.tolist() == [len(s) for s in as_sets(pins)]


def test_no_nets_have_no_pins():
    empty = nets([(0, 0), (1, 1)]).part(0, 0)
    assert len(empty) == len(empty.distinct()) == len(empty.held_out()) == 0


def test_the_split_depends_on_the_set_of_pins_only(rng):
    for _ in range(40):
        pins = rng.integers(0, 100, (4, 2)).tolist()
        sides = {bool(nets(order).held_out()[0]) for order in itertools.permutations(pins)}
        assert sides == {bool(nets([*pins, pins[2]]).held_out()[0])}


def test_the_split_holds_out_its_share_of_any_net(rng):
    counts = np.repeat([2, 3, 5], 30_000)
    pins = PinSets(rng.integers(0, 32, counts.sum()), rng.integers(0, 32, counts.sum()), counts)
    for count in (2, 3, 5):
        share = pins.held_out()[counts == count].mean()
        error = np.sqrt(HELD_OUT_SHARE * (1 - HELD_OUT_SHARE) / 30_000)
        assert abs(share - HELD_OUT_SHARE) < 4 * error


@pytest.mark.parametrize(
    ("pins", "error", "words"),
    [
        ([(5, 5), (5, 5)], ValueError, "different places"),
        ([(5, 5)], ValueError, "different places"),
        ([], ValueError, r"shape \(n, 2\)"),
        ([5, 6], ValueError, r"shape \(n, 2\)"),
        ([(1, 2, 3), (4, 5, 6)], ValueError, r"shape \(n, 2\)"),
        ([(1, 2), (3,)], ValueError, "two integers"),
        ([(0.0, 1.0), (2.0, 3.0)], TypeError, "integer pixels"),
        ([("1", "2"), ("3", "4")], TypeError, "integer pixels"),
        ([(0, 0), (32, 5)], ValueError, r"0 <= x < 32.*outside=\[\[32, 5\]\]"),
        ([(0, 0), (5, 16)], ValueError, r"0 <= y < 16"),
        ([(0, 0), (-1, 5)], ValueError, "outside"),
    ],
)
def test_wrong_pins_are_refused_with_a_reason(pins, error, words):
    with pytest.raises(error, match=words) as raised:
        checked_pins(pins, height=16, width=32)
    assert "Received: pins=" in str(raised.value)
