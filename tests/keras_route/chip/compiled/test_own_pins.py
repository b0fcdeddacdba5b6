"""Metal of a net touches the pins of the net or keeps its space to them."""

import numpy as np
import pytest
from design_faults import drawn, faults
from small_designs import design, odd_pins_design, pin_at

from keras_route.chip.compiled.occupancy import FREE, TAKEN, empty
from keras_route.chip.compiled.own_pins import keep_off_own_pins, pin_patches
from keras_route.chip.design_router import DesignRouter
from keras_route.chip.fixed_shapes import block, pins_on_planes, spaces
from keras_route.chip.lattice import Lattice

LAYERS = ((4, 2, 6, 0), (4,), (2,), (8, 4))


def narrow_places(found, wires):
    """Return the places, by klayout, where metal of one net is too near to its own metal."""
    kdb = pytest.importorskip("klayout.db")
    layers, boxes, nets, _ = drawn(found, wires)
    fixed = found.shapes
    places = []
    for layer in range(2, 12, 2):
        space = round(found.technology.metals[layer // 2].spacing.space_um(0, 0) * 2000)
        for net in np.unique(nets):
            region = kdb.Region()
            pins = fixed.box[(fixed.layer == layer) & (fixed.net == net)]
            for box in [*boxes[(layers == layer) & (nets == net)].tolist(), *pins.tolist()]:
                region.insert(kdb.Box(*box))
            separate = region.merged().isolated_check(space)
            places += [(layer, int(net), str(pair)) for pair in separate.each()]
    return places


@pytest.mark.parametrize("layers", LAYERS)
def test_routed_nets_keep_off_their_pins_on_metals_with_wires(layers):
    for seed in range(2):
        found = odd_pins_design(16, 11, seed, layers)
        router = DesignRouter(found, 1, 5)
        router.route()
        assert faults(found, router.wires()) == []
        assert narrow_places(found, router.wires()) == []
        assert len(router.routes) >= 4


@pytest.mark.parametrize("x", [2600, 2800, 3200])
def test_a_wire_that_has_to_pass_a_pin_of_its_net_keeps_its_space(x):
    """A wire on the row of two pins would be 30 database units above the pin between them."""
    sides = [[(4, (left, 3430, left + 400, 3570))] for left in (600, 6000)]
    found = design([[[(4, (x, 3000, x + 400, 3400))], *sides]], 8000)
    router = DesignRouter(found, 1, 5)
    router.route()
    assert set(router.routes) == {0}
    assert faults(found, router.wires()) == []
    assert narrow_places(found, router.wires()) == []


def lattice_of(pins, side=8000):
    found = design([[*pins]], side)
    lattice = Lattice.of(found, 1, 5)
    return found, lattice, empty(lattice)


def test_places_beside_a_pin_are_closed_and_tracks_that_meet_it_are_not():
    box = (3000, 3000, 3400, 3210)  # on metal3, whose wires are 140 wide and keep 140
    found, lattice, at = lattice_of([[(4, box)], pin_at(15, 4)])
    around = spaces(found)
    block(found, lattice, at, around)
    assert (at.fixed_wire[1] != TAKEN).any()
    keep_off_own_pins(at, *pins_on_planes(found, lattice, around))

    for j, y in enumerate(lattice.y.tolist()):
        for i, x in enumerate(lattice.x.tolist()):
            if not (lattice.on_row[1, j] and lattice.on_column[1, i]):
                continue
            dx = max(box[0] - x - 70, x - 70 - box[2])
            dy = max(box[1] - y - 70, y - 70 - box[3])
            assert dy != 0
            beside = TAKEN if dy > 0 else 0
            assert at.fixed_wire[1, j, i] == (beside if max(dx, dy) < 140 else FREE)


@pytest.mark.parametrize(("end", "closed"), [(2800, True), (2720, False), (2900, True)])
def test_a_gap_between_a_wire_and_a_pin_on_its_track_is_closed(end, closed):
    _, _, at = lattice_of([pin_at(3, 1), pin_at(15, 4)])
    metal = np.array([[1, 1000, 2930, end, 3070]])
    pin = np.array([[3000, 3000, 3400, 3210]])

    patch = pin_patches(at, metal, np.array([1]), pin, np.array([280]))

    assert patch.tolist() == ([[1, end, 3000, 3000, 3000]] if closed else [])
    assert len(pin_patches(at, metal, np.array([2]), pin, np.array([280]))) == 0
    assert len(pin_patches(at, metal, np.array([1]), pin + [0, 200, 0, 200], np.array([280]))) == 0
