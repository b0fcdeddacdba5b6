import dataclasses
import json
import math

import numpy as np
import pytest

from keras_route.data.random_nets import draw_net, generate
from keras_route.layout.net import Net, Via, Wire
from keras_route.technology.layers import METALS
from keras_route.technology.wire_resistance import wire_resistance

pytestmark = pytest.mark.check

PUBLISHED = [(26, 3), (5, 12), (31, 25)]


def published_net():
    return Net.from_labels(draw_net(PUBLISHED), PUBLISHED)


def test_a_published_picture_as_wires_and_vias():
    net = published_net()
    assert net.pins == tuple(PUBLISHED)
    assert set(net.wires) == {
        Wire("m6", 5, 13, 31, 13),
        Wire("m5", 5, 12, 5, 13),
        Wire("m5", 26, 3, 26, 13),
        Wire("m5", 31, 13, 31, 25),
    }
    assert set(net.vias) == {Via("via5", 5, 13), Via("via5", 26, 13), Via("via5", 31, 13)}


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48)])
def test_wires_draw_the_labels_they_were_read_from(height, width):
    for labels in generate(300, height=height, width=width)[1]:
        np.testing.assert_array_equal(Net.from_labels(labels).to_labels(), labels)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_wires_draw_noise_too(rng, share):
    labels = (rng.random((17, 40, 8)) < share).astype("uint8")
    net = Net.from_labels(labels)
    np.testing.assert_array_equal(net.to_labels(), labels)
    assert net.merged() == net


def test_legs_on_neighbouring_tracks_are_wires_of_their_own():
    net = Net.from_labels(draw_net([(4, 0), (5, 0), (20, 10)]))
    assert [wire for wire in net.wires if wire.layer == "m3"] == [
        Wire("m3", 4, 0, 4, 3),
        Wire("m3", 5, 0, 5, 3),
        Wire("m3", 20, 3, 20, 10),
    ]


def test_touching_wires_merge():
    pieces = (Wire("m4", 0, 2, 4, 2), Wire("m4", 5, 2, 7, 2), Wire("m4", 3, 2, 5, 2))
    net = Net(pins=((0, 2), (7, 2)), wires=pieces, vias=(), name="a", changed=3)
    whole = dataclasses.replace(net, wires=(Wire("m4", 0, 2, 7, 2),))
    assert net.merged() == whole
    assert net.resistance(*net.pins) == whole.resistance(*net.pins)


def test_length_in_micrometres_of_each_metal():
    net = published_net()
    assert net.wire_lengths == {
        "m3": 0,
        "m4": 0,
        "m5": (1 + 10 + 12) * 11 / 32,
        "m6": 26 * 11 / 32,
    }
    assert net.wire_length == 49 * 11 / 32
    assert net.via_counts == {"via3": 0, "via4": 0, "via5": 3}


def test_pixels_of_an_oblong_window_are_oblong():
    net = Net((), (Wire("m4", 0, 0, 8, 0), Wire("m3", 0, 0, 0, 8)), (), height=16, width=32)
    assert net.um_per_px == (11 / 32, 11 / 16)
    assert net.wire_lengths["m3"] == 2 * net.wire_lengths["m4"]


@pytest.mark.parametrize("pins", [[(2, 5), (9, 5)], [(2, 5), (22, 5)], [(7, 1), (7, 22)]])
def test_a_straight_net_has_the_resistance_its_metal_was_chosen_by(pins):
    net = Net.from_labels(draw_net(pins), pins)
    (wire,) = net.wires
    expected = wire_resistance(wire.layer, net.wire_length)
    assert net.resistance(*pins) == pytest.approx(expected, rel=1e-12)
    assert net.resistance() == pytest.approx(expected, rel=1e-12)


def test_resistance_adds_up_along_the_only_path():
    net = published_net()
    first, second, _ = net.pins
    um = 11 / 32
    stacks = 2 * (40 + 30 + 12)  # up to m5, where both pins land
    wires = (10 + 1) * um * METALS["m5"].ohm_per_um + 21 * um * METALS["m6"].ohm_per_um
    assert net.resistance(first, second) == pytest.approx(stacks + wires + 2 * 12, rel=1e-12)
    assert net.resistance(second, first) == pytest.approx(net.resistance(first, second), rel=1e-12)
    assert net.resistance(first, first) == 0


def test_two_equal_paths_have_half_the_resistance():
    ring = (
        *(Wire("m4", 0, y, 9, y) for y in (0, 9)),
        *(Wire("m3", x, 0, x, 9) for x in (0, 9)),
    )
    corners = tuple(Via("via3", x, y) for x in (0, 9) for y in (0, 9))
    net = Net(((0, 0), (9, 9)), ring, corners)
    metals = METALS["m3"].ohm_per_um + METALS["m4"].ohm_per_um
    path = 9 * 11 / 32 * metals + 2 * 30  # each way changes the metal twice
    assert net.resistance(*net.pins) == pytest.approx(2 * 40 + path / 2, rel=1e-12)


def test_an_open_net_has_infinite_resistance():
    net = Net(((0, 0), (9, 0)), (Wire("m4", 0, 0, 4, 0), Wire("m4", 6, 0, 9, 0)), ())
    assert net.resistance(*net.pins) == math.inf
    bare = dataclasses.replace(net, wires=())
    assert bare.resistance(*bare.pins) == math.inf


@pytest.mark.parametrize("pins", [[(26, 3)], [(26, 3), (0, 0)]])
def test_resistance_is_between_pins_of_the_net(pins):
    with pytest.raises(ValueError, match="two pins of the net"):
        published_net().resistance(*pins)


def test_a_pin_lands_on_the_lowest_metal():
    labels = np.zeros((4, 4, 8), "uint8")
    labels[1, 1] = 1
    net = Net.from_labels(labels)
    assert net.landing(1, 1) == "m3"
    assert [via.name for via in net.stack(1, 1)] == ["via2"]
    assert net.landing(0, 0) is None
    assert net.stack(0, 0) == ()


def test_the_stack_below_a_leg_reaches_it_from_m2():
    net = published_net()
    assert [via.name for via in net.stack(26, 3)] == ["via2", "via3", "via4"]
    assert len(net.cuts()) == 3 * 3 + 3


def test_no_net_is_shorter_than_its_steiner_tree():
    for labels in generate(200)[1]:
        net = Net.from_labels(labels)
        assert net.wire_length >= net.steiner_length


def test_json_keeps_everything(tmp_path):
    net = dataclasses.replace(published_net(), name="clk[0]", changed=4)
    net.to_json(tmp_path / "net.json")
    assert Net.from_json(tmp_path / "net.json") == net


def test_json_that_tells_whether_a_net_was_repaired_is_read(tmp_path):
    net = dataclasses.replace(published_net(), changed=4)
    old = {**dataclasses.asdict(net), "repaired": True}
    (tmp_path / "net.json").write_text(json.dumps(old))
    assert Net.from_json(tmp_path / "net.json") == net


def test_a_net_is_repaired_where_it_changed():
    net = published_net()
    assert not net.repaired
    assert dataclasses.replace(net, changed=1).repaired


def test_json_holds_numbers_of_numpy(tmp_path):
    x = np.int64(3)
    net = Net(((x, x),), (Wire("m4", x, x, x, x),), (), window_um=np.float32(5.5))
    net.to_json(tmp_path / "net.json")
    assert Net.from_json(tmp_path / "net.json") == net


def test_pins_are_integers():
    with pytest.raises(TypeError):
        Net.from_labels(draw_net(PUBLISHED), [(0.5, 1)])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pins": [1], "wires": [], "vias": []}'])
def test_foreign_json_is_refused(tmp_path, text):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(ValueError, match=r"written by `Net.to_json`. Received: path="):
        Net.from_json(tmp_path / "net.json")


@pytest.mark.parametrize("shape", [(32, 32), (1, 32, 32, 8), (8, 32, 32), (32, 32, 16)])
def test_labels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="labels of shape"):
        Net.from_labels(np.zeros(shape))


@pytest.mark.parametrize("value", [2, 0.5, -1, np.nan])
def test_labels_are_zeros_and_ones(value):
    with pytest.raises(ValueError, match="zeros and ones"):
        Net.from_labels(np.full((4, 4, 8), value))


def test_what_lies_outside_cannot_be_drawn():
    net = Net(((0, 0),), (Wire("m4", 0, 0, 32, 0),), (Via("via3", 0, -1),))
    assert net.outside() == [net.wires[0], net.vias[0]]
    with pytest.raises(ValueError, match=r"Received: m4 from \(0, 0\) to \(32, 0\)"):
        net.to_labels()


def test_parts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="A wire lies on one of m3, m4, m5, m6"):
        Wire("m7", 0, 0, 1, 0)
    with pytest.raises(ValueError, match="starts at its left or upper end"):
        Wire("m4", 3, 0, 1, 0)
    with pytest.raises(ValueError, match="A via lies on one of via3, via4, via5"):
        Via("via2", 0, 0)
