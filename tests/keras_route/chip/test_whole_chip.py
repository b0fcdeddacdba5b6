"""`route_chip` joins the nets of a chip, tells which it cannot, and proves that none touch."""

import dataclasses

import numpy as np
import pytest
from scores import Decided, layout_rule

import keras_route
from keras_route.chip.placement import Placed
from keras_route.layout.parts import Wire

DIE = (1.0, -2.0, 9.0, 6.0)
SIDE = 24  # pixels of 0.25 um


@pytest.fixture
def nets(rng):
    """Return positions of four nets; the first is larger than the window."""
    return {
        "long": np.array([(1.5, -1.5), (8.5, 5.5), (5.0, 0.0)]),
        **{f"n{i}": rng.uniform((3, 0), (6, 3), (3, 2)) for i in range(3)},
    }


@pytest.fixture
def chip(nets):
    return keras_route.route_chip(Decided(layout_rule), nets, DIE, pitch_um=0.25, side=SIDE)


def test_all_nets_are_joined_without_faults(chip, nets):
    assert {net.name for net in chip.nets} == set(nets)
    assert chip.not_routed == {}
    assert chip.faults == []
    assert all(keras_route.check(net) == [] for net in chip.nets)


def test_nets_lie_where_their_pins_are(chip, nets):
    for net, (left, bottom) in zip(chip.nets, chip.origins_um, strict=True):
        x, y = np.array(net.pins).T
        found = np.stack([left + (x + 0.5) * 0.25, bottom + (net.height - y - 0.5) * 0.25], axis=1)
        apart = np.abs(found[:, None] - nets[net.name]).max(axis=2)
        assert (apart.min(axis=0) <= chip.access.farthest_um + 1e-9).all()
        assert chip.access.farthest_um < 1.5 * 0.25


def test_what_decided_a_net_is_counted(chip):
    decisions = chip.decisions
    assert decisions.by_resistance == 1  # the long one
    assert decisions.by_scores + decisions.by_search == 3


def test_nets_that_cannot_be_routed_are_told_with_the_reason(nets):
    same, none = np.array([(2.1, 2.1), (2.11, 2.11)]), np.zeros((0, 2))
    more = {**nets, "same": same, "none": none}

    chip = keras_route.route_chip(Decided(layout_rule), more, DIE, 0.25, SIDE)

    reason = "has fewer than two pixels to join"
    assert chip.not_routed == {"same": reason, "none": reason}
    assert "connected: 4 of 6 nets (66.67%)" in chip.report()
    assert f"not routed: same: {reason}" in chip.report()


def test_a_wire_across_other_nets_is_a_fault(chip):
    grid = chip.grid
    across = tuple(Wire("m4", 0, y, grid.columns - 1, y) for y in range(grid.size))
    net = keras_route.Net(((0, 0),), across, (), grid.size, grid.size, name="across")
    broken = dataclasses.replace(chip, placed=(*chip.placed, Placed(net, 0, 0)))

    assert any("across" in names for names in broken.shorts.values())
    assert broken.violations  # its ends hang loose
    assert len(broken.faults) == len(broken.shorts) + len(broken.violations)
    assert f"shorts between nets: {len(broken.shorts)}" in broken.report()


def test_pins_of_nets_that_are_given_up_still_take_their_places(rng):
    cells = rng.permutation(25)[:24].reshape(12, 2)
    nets = {f"n{i}": np.stack(np.divmod(pair, 5), axis=1) + 0.5 for i, pair in enumerate(cells)}

    chip = keras_route.route_chip(Decided(layout_rule), nets, (0, 0, 5.05, 5.05), 1.0)

    assert chip.given_up
    assert {item.net.name for item in chip.given_up} == set(chip.not_routed)
    assert chip.faults == []
    # The same nets without wires twice are shorts at their pins.
    doubled = dataclasses.replace(chip, given_up=2 * chip.given_up)
    assert {layer for layer, _, _ in doubled.shorts} == {"m2"}


def test_files_hold_the_chip(chip, tmp_path):
    pytest.importorskip("gdstk")
    pytest.importorskip("matplotlib")
    for suffix in ("gds", "def", "png"):
        chip.write(tmp_path / f"chip.{suffix}")
        assert (tmp_path / f"chip.{suffix}").stat().st_size > 1000
    with pytest.raises(ValueError, match=r"end in \.gds, \.def or \.png. Received: path="):
        chip.write(tmp_path / "chip.svg")


def test_nets_too_large_for_an_exact_tree_are_routed_and_proved(rng, tmp_path):
    pytest.importorskip("gdstk")
    places = np.stack([rng.permutation(12), rng.permutation(12)], axis=1) * 0.6

    chip = keras_route.route_chip(Decided(layout_rule), {"clk": places}, (0, 0, 8, 8))
    chip.write(tmp_path / "chip.gds")

    assert "connected: 1 of 1 nets (100.00%)" in chip.report()
    assert "none has as few as 9 pins" in chip.report()
    assert "shorts between nets: 0; broken rules: 0" in chip.report()
    assert (tmp_path / "chip.gds").stat().st_size > 1000


def test_the_picture_shows_every_net(chip):
    image = chip.to_labels()
    for item in chip.placed:
        part = image[item.y :, item.x :][: item.net.height, : item.net.width]
        assert not (item.net.to_labels() & ~part).any()


def test_progress_ends_with_the_nets_that_are_routed(nets):
    seen = []
    keras_route.route_chip(Decided(layout_rule), nets, DIE, 0.25, SIDE, progress=seen.append)
    assert seen[-1] == 4


@pytest.mark.parametrize(
    ("nets", "match"),
    [
        ({}, r"has a net or more.*Received: nets=\{\}"),
        ({"a": np.zeros((2, 3))}, r"Received: net 'a' with positions of shape \(2, 3\)"),
        ({"a": np.array([(2.0, 2.0), (99.0, 2.0)])}, r"Received: pins at \[\[99.0, 2.0\]\]"),
    ],
)
def test_wrong_pins_are_refused(nets, match):
    with pytest.raises(ValueError, match=match):
        keras_route.route_chip(Decided(layout_rule), nets, DIE)
