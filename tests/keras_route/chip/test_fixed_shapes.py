"""The shapes of a design close the lattice to the nets that they do not belong to."""

import dataclasses

import numpy as np
import pytest
from design_faults import gaps
from small_designs import DBU, design, random_design

from keras_route.chip.compiled.occupancy import FREE, TAKEN, empty
from keras_route.chip.fixed_shapes import block, spaces
from keras_route.chip.lattice import Lattice


def test_the_space_around_a_shape_is_that_of_its_width_and_its_longer_side():
    found = random_design(12, 6, 0, straps=True, obstructions=8)
    table = found.technology.metals
    for layer, box, space in zip(
        found.shapes.layer, found.shapes.box, spaces(found).tolist(), strict=True
    ):
        low, high = sorted(box[2:] - box[:2])
        if layer % 2:
            assert space == found.technology.cuts[layer // 2].spacing_um * DBU
        else:
            metal = table[layer // 2]
            wide = max(low / DBU, metal.width_um)
            assert space == round(metal.spacing.space_um(wide, high / DBU) * DBU)
    assert len(set(spaces(found).tolist())) > 4


def test_a_strap_keeps_more_space_than_a_wire():
    for width, space in ((280, 280), (960, 400), (1000, 600)):
        strap = design([], 8000, [(6, (1000, 0, 1000 + width, 8000))])
        assert spaces(strap).tolist() == [space]


def test_a_design_without_shapes_closes_nothing():
    found = design([], 4000)
    lattice = Lattice.of(found, 1, 5)
    at, clean = empty(lattice), empty(lattice)
    assert spaces(found).shape == (0,)
    block(found, lattice, at, spaces(found))
    assert (at.fixed_wire == clean.fixed_wire).all()
    assert (at.fixed_via == clean.fixed_via).all()


@pytest.mark.parametrize("lowest, highest", [(1, 5), (1, 2), (2, 4), (0, 3)])
def test_wires_are_closed_exactly_where_one_would_be_too_close(lowest, highest):
    found = random_design(10, 5, 3, straps=True, obstructions=10)
    # Pins on other metals too.
    layer = np.where(found.shapes.pin == 0, 4, found.shapes.layer)
    found = dataclasses.replace(found, shapes=dataclasses.replace(found.shapes, layer=layer))
    lattice = Lattice.of(found, lowest, highest)
    at = empty(lattice)
    around = spaces(found)
    block(found, lattice, at, around)
    x, y = (axis.ravel() for axis in np.meshgrid(at.x, at.y))
    for plane in range(lattice.planes):
        half = at.half_width[plane]
        here = np.flatnonzero(found.shapes.layer == 2 * (lowest + plane))
        wires = np.stack([x - half, y - half, x + half, y + half], axis=1)
        near = gaps(wires, found.shapes.box[here]).max(axis=2) < around[here]
        for place, owners in enumerate(near):
            nets = set(found.shapes.net[here[owners]].tolist())
            owner = at.fixed_wire[plane].ravel()[place]
            j, i = divmod(place, len(at.x))
            if not (at.on_row[plane, j] and at.on_column[plane, i]):
                assert owner == TAKEN
            elif not nets:
                assert owner == FREE
            else:
                assert owner == (min(nets) if len(nets) == 1 and min(nets) >= 0 else TAKEN)


def test_a_net_may_touch_its_own_pin_only():
    x, y = 190 + 380 * 4, 140 + 280 * 10
    box = (x - 70, y - 140, x + 70, y + 140)
    found = design([[[(2, box)]], [[(2, (x + 700, y, x + 840, y + 140))]]], 8000)
    lattice = Lattice.of(found, 1, 3)
    at = empty(lattice)
    block(found, lattice, at, spaces(found))
    i, j = np.searchsorted(at.x, x), np.searchsorted(at.y, y)
    assert at.fixed_wire[0, j, i] == 0
    assert at.fixed_via[0, j, i] == 0
    assert at.fixed_via[1, j, i] == 0
    assert at.fixed_wire[1, j, i] == FREE


def test_a_fixed_cut_closes_the_vias_of_its_level_only():
    x, y = 190 + 380 * 4, 140 + 280 * 10
    found = design([], 8000, [(5, (x - 70, y - 70, x + 70, y + 70))])  # between metal3 and metal4
    lattice = Lattice.of(found, 1, 5)
    at, clean = empty(lattice), empty(lattice)
    block(found, lattice, at, spaces(found))
    assert (at.fixed_wire == clean.fixed_wire).all()
    changed = np.unique(np.nonzero(at.fixed_via != clean.fixed_via)[0])
    assert changed.tolist() == [2]
