"""A lattice has all crossings of tracks, and knows which metals have which."""

import dataclasses

import numpy as np
import pytest
from small_designs import DBU, design, technology

from keras_route.chip.lattice import Lattice, best_via, fitting_vias, hull
from keras_route.technology.technology import ViaShape

SIDE = 8000


@pytest.fixture
def empty_design():
    return design([], SIDE)


def lines(found, metal):
    """Return the coordinates of the tracks along the direction of a metal."""
    return {
        track.start + k * track.step
        for track in found.tracks
        if track.layer == metal.name and track.vertical != metal.horizontal
        for k in range(track.count)
    }


@pytest.mark.parametrize("lowest, highest", [(1, 5), (0, 3), (2, 4)])
def test_the_lines_are_those_of_all_metals_and_each_metal_has_its_own(
    empty_design, lowest, highest
):
    lattice = Lattice.of(empty_design, lowest, highest)
    metals = technology().metals[lowest : highest + 1]
    columns = set().union(*(lines(empty_design, m) for m in metals if not m.horizontal))
    rows = set().union(*(lines(empty_design, m) for m in metals if m.horizontal))
    assert lattice.x.tolist() == sorted(columns)
    assert lattice.y.tolist() == sorted(rows)
    assert lattice.planes == len(metals)
    for plane, metal in enumerate(metals):
        own = lines(empty_design, metal)
        assert lattice.horizontal[plane] == metal.horizontal
        if metal.horizontal:
            assert set(lattice.y[lattice.on_row[plane]].tolist()) == own
            assert lattice.on_column[plane].all()
        else:
            assert set(lattice.x[lattice.on_column[plane]].tolist()) == own
            assert lattice.on_row[plane].all()


def test_lengths_are_those_of_the_technology_in_database_units(empty_design):
    lattice = Lattice.of(empty_design, 1, 5)
    metals, cuts = technology().metals, technology().cuts
    assert (2 * lattice.half_width / DBU).tolist() == [metal.width_um for metal in metals[1:]]
    assert (lattice.cut_space / DBU).tolist() == [cut.spacing_um for cut in cuts]
    assert lattice.under_space == 130
    # A wire may run along another one of any length.
    longest = [metal.spacing.space_um(metal.width_um, 1e9) for metal in metals[1:]]
    assert (lattice.space / DBU).tolist() == longest


def test_each_level_has_the_shapes_of_its_via(empty_design):
    lattice = Lattice.of(empty_design, 1, 5)
    names = [technology().vias[via].name for via in lattice.via]
    assert names == ["via1_7", "via2_5", "via3_2", "via4_0", "via5_0"]
    assert lattice.below[0].tolist() == [-140, -70, 140, 70]  # along metal1
    assert lattice.cut[0].tolist() == [-70, -70, 70, 70]
    assert lattice.above[1].tolist() == [-140, -70, 140, 70]
    assert lattice.entry_boxes[:3].tolist() == [
        [-70, -140, 70, 140],
        [-140, -70, 140, 70],
        [0, 0, 0, 0],
    ]


def test_the_lowest_metal_of_all_has_no_via_below(empty_design):
    lattice = Lattice.of(empty_design, 0, 2)
    assert lattice.via.tolist()[0] == -1
    assert not lattice.below[0].any()


def test_the_best_via_sticks_out_of_the_wires_least():
    upright, small = (-0.035, -0.07, 0.035, 0.07), (-0.035, -0.035, 0.035, 0.035)
    wide, long = (-0.07, -0.07, 0.07, 0.07), (-0.035, -0.2, 0.035, 0.2)

    def via(name, below, above, default=True, cuts=1):
        # metal2 is upright, metal3 flat.
        boxes = {"metal2": (below,), "via2": (small,) * cuts, "metal3": (above,)}
        return ViaShape(name, boxes, default)

    flat = (-0.07, -0.035, 0.07, 0.035)
    kinds = {
        "wide": via("wide", wide, flat),
        "long": via("long", long, flat),
        "best": via("best", upright, flat),
        "never": via("never", upright, small, default=False),
        "double": via("double", upright, small, cuts=2),
    }
    for order in (sorted(kinds), sorted(kinds, reverse=True)):
        found = dataclasses.replace(technology(), vias=tuple(kinds[name] for name in order))
        assert order[best_via(found, 1)] == "best"
        assert {order[k] for k in fitting_vias(found, 1)} == set(kinds) - {"double"}


def test_a_technology_without_a_via_is_refused():
    found = technology()
    found = dataclasses.replace(found, vias=found.vias[:2])
    with pytest.raises(ValueError, match="a VIA with one cut from metal2 to metal3.*Received: 2"):
        best_via(found, 1)


def test_a_metal_without_tracks_along_its_direction_is_refused(empty_design):
    others = [t for t in empty_design.tracks if t.layer != "metal3" or t.vertical]
    without = dataclasses.replace(empty_design, tracks=tuple(others))
    with pytest.raises(ValueError, match="`TRACKS Y ... LAYER metal3 ;`.*design 'small'"):
        Lattice.of(without, 1, 3)
    Lattice.of(without, 3, 5)


def test_a_hull_holds_all_boxes_and_touches_its_own_sides(rng):
    low = rng.integers(0, 50, (6, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 50, (6, 2))], axis=1)
    found = np.array(hull(tuple(map(tuple, boxes))))
    assert (found[:2] == boxes[:, :2].min(axis=0)).all()
    assert (found[2:] == boxes[:, 2:].max(axis=0)).all()
