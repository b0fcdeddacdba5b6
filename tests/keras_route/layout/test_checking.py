import dataclasses

import numpy as np
import pytest

from keras_route.data.random_nets import draw_net, generate
from keras_route.layout.checking import check
from keras_route.layout.connectivity import connected
from keras_route.layout.net import Net, Via, Wire

pytestmark = pytest.mark.check

PINS = [(26, 3), (5, 12), (31, 25)]


@pytest.fixture
def net():
    return Net.from_labels(draw_net(PINS), PINS)


def rules(net, blocked=None):
    return {violation.rule for violation in check(net, blocked)}


def changed(net, place, value):
    labels = net.to_labels()
    labels[place] = value
    return Net.from_labels(labels, net.pins)


@pytest.mark.parametrize("size", [{}, {"height": 64, "width": 48, "max_pins": 9}])
def test_every_net_of_the_layout_rule_is_legal(size):
    for labels in generate(300, **size)[1]:
        assert check(Net.from_labels(labels)) == []


def test_every_missing_pixel_is_noticed(net):
    labels = net.to_labels()
    labels[..., 0] = 0
    for place in np.argwhere(labels):
        assert rules(changed(net, tuple(place), 0)), place


def test_a_pin_needs_metal(net):
    bare = dataclasses.replace(net, pins=(*net.pins, (0, 0)))
    assert rules(bare) == {"pin", "open"}
    assert "pin: no metal covers the pin at (0, 0)" in map(str, check(bare))


def test_a_via_needs_both_metals(net):
    assert [str(violation) for violation in check(changed(net, (0, 0, 2), 1))] == [
        "via: via3 at (0, 0) has no m3 and no m4",
        "open: the net is in 2 pieces, 1 of them without a pin; "
        "joined are [[(5, 12), (26, 3), (31, 25)]]",
    ]
    assert str(check(changed(net, (3, 26, 6), 1))[0]) == "via: via5 at (26, 3) has no m6"


def test_neighbouring_metals_cross_with_a_via_only(net):
    found = check(changed(net, (13, 26, 6), 0))
    assert found[0].rule == "missing via"
    assert {violation.rule for violation in found} == {"missing via", "dangling", "open"}


def test_metals_apart_may_cross():
    """m3 runs down from a pin, m4 to column 8, m5 up, and m6 back across m3."""
    wires = (Wire("m3", 2, 0, 2, 8), Wire("m4", 2, 8, 8, 8), Wire("m5", 8, 4, 8, 8))
    crossing = Wire("m6", 0, 4, 8, 4)
    vias = (Via("via3", 2, 8), Via("via4", 8, 8), Via("via5", 8, 4))
    assert check(Net(((2, 0), (0, 4)), (*wires, crossing), vias)) == []


def test_a_wire_ends_at_a_pin_or_a_via(net):
    longer = changed(net, (13, slice(2, 5), 7), 1)
    assert rules(longer) == {"dangling"}
    assert "m6 from (2, 13) to (31, 13) at (2, 13)" in str(check(longer)[0])


def test_an_end_above_a_pin_that_lands_lower_dangles():
    labels = draw_net([(0, 4), (8, 4)])
    labels[4:9, 8, 5] = 1  # m5 over the right pin, which is on m4
    labels[4, 8, 4] = 1
    joined = Net.from_labels(labels, [(0, 4), (8, 4), (8, 8)])
    assert rules(joined) == set()
    assert rules(changed(joined, (4, 8, 4), 0)) == {"missing via", "dangling", "open"}


def test_wires_run_in_the_direction_of_their_layer(net):
    wrong = dataclasses.replace(net, wires=(*net.wires, Wire("m4", 5, 12, 5, 13)))
    assert "direction" in rules(wrong)


def test_one_missing_pixel_opens_a_net(net):
    found = [str(v) for v in check(changed(net, (13, 15, 7), 0)) if v.rule == "open"]
    assert found == [
        "open: the net is in 2 pieces, 0 of them without a pin; "
        "joined are [[(5, 12)], [(26, 3), (31, 25)]]"
    ]


def test_metal_that_no_pin_needs_opens_a_net(net):
    island = dataclasses.replace(net, wires=(*net.wires, Wire("m3", 0, 0, 0, 3)))
    assert "open" in rules(island)


def test_legs_on_neighbouring_tracks_do_not_join():
    labels = np.zeros((9, 9, 8), "uint8")
    labels[0:5, 4:6, 1] = 1
    assert "open" in rules(Net.from_labels(labels, [(4, 0), (4, 4), (5, 0), (5, 4)]))


def test_blocked_metal_is_named(net):
    blocked = np.zeros((32, 32, 4), bool)
    blocked[13, 10, 3] = True
    blocked[13, 10, :3] = True  # metals that this net does not use
    assert [str(violation) for violation in check(net, blocked)] == [
        "blocked: m6 at (10, 13) is blocked"
    ]
    wires = 59 - 3 - 3  # pixels without pins and vias
    stacks = 3 * 2  # m3 and m4 below pins that land on m5
    assert len(check(net, np.ones((32, 32), bool))) == wires + stacks


def test_a_stack_below_a_pin_keeps_off_what_is_blocked(net):
    blocked = np.zeros((32, 32, 4), bool)
    blocked[..., 0] = True  # m3, of which this net has nothing but the stacks below its pins
    assert [str(violation) for violation in check(net, blocked)] == [
        "blocked: m3 at (26, 3) is blocked",
        "blocked: m3 at (5, 12) is blocked",
        "blocked: m3 at (31, 25) is blocked",
    ]


@pytest.mark.parametrize("shape", [(32,), (32, 31), (32, 32, 8), (4, 32, 32)])
def test_a_mask_has_the_shape_of_the_window(net, shape):
    with pytest.raises(ValueError, match="Received: blocked of shape"):
        check(net, np.zeros(shape))


def test_what_lies_outside_is_named(net):
    outside = dataclasses.replace(net, vias=(*net.vias, Via("via3", 40, 2)), width=32)
    assert [str(violation) for violation in check(outside)] == [
        "outside: via3 at (40, 2) is not within 32 columns and 32 rows"
    ]


def test_a_net_is_open_where_the_metric_says_so(rng):
    labels = rng.random((300, 3, 4, 8)) < 0.9
    whole = [not {"open", "pin"} & rules(Net.from_labels(image)) for image in labels]
    assert 60 < sum(whole) < 240
    np.testing.assert_array_equal(connected(labels), whole)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_any_labels_can_be_checked(rng, share):
    labels = rng.random((32, 32, 8)) < share
    assert check(Net.from_labels(labels, PINS))
