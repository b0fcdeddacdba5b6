"""A routed design keeps all rules, whatever is in the way and however soon the time is up."""

import dataclasses
import itertools

import numpy as np
import pytest
from design_faults import faults
from small_designs import design, odd_pins_design, pin_at, random_design

from keras_route.chip.compiled.net_router import COLUMN, PIN, ROW
from keras_route.chip.design_router import DesignRouter
from keras_route.layout.design import Wires

LOWEST, HIGHEST = 1, 5


def routed(found, highest=HIGHEST, guides=None, time_limit=np.inf):
    router = DesignRouter(found, LOWEST, highest)
    router.guides = guides or {}
    router.route(time_limit=time_limit)
    return router


def total_length(wires):
    return int((wires.wires[:, 4:] - wires.wires[:, 2:4]).sum())


def check(router):
    """Check that each net has either legal metal or a reason, and no net has both."""
    wires = router.wires()
    assert faults(router.design, wires) == []
    several = {net for net, pins in enumerate(router.design.nets.values()) if len(pins) > 1}
    assert set(router.routes) | set(router.reasons) == several
    assert not set(router.routes) & set(router.reasons)
    drawn = set(wires.wires[:, 0].tolist()) | set(wires.vias[:, 0].tolist())
    assert drawn == set(router.routes)
    assert all(router.reasons.values())


@pytest.mark.parametrize("seed", range(6))
def test_random_designs_are_routed_without_a_fault(seed):
    found = random_design(32, 9, seed, straps=seed % 2 == 1, obstructions=4 * (seed % 3))
    router = routed(found, highest=(5, 3, 2)[seed % 3])
    check(router)
    assert len(router.routes) >= 26


@pytest.mark.parametrize("seed", range(4))
def test_pins_of_any_size_and_place_are_reached_without_a_fault(seed):
    router = routed(odd_pins_design(16, 11, seed))
    check(router)
    assert len(router.routes) >= 5


def test_a_crowd_with_two_metals_only_has_no_fault():
    """Nets fight to the end, and those that lose are taken out whole."""
    router = routed(random_design(40, 5, 7), highest=2)
    check(router)
    assert 0 < len(router.reasons) < 40
    assert set(router.reasons.values()) == {"no way is free"}


def test_a_sparse_design_is_routed_whole():
    router = routed(random_design(25, 12, 3, straps=True))
    check(router)
    assert router.reasons == {}


def test_the_same_design_gives_the_same_wires():
    found = random_design(30, 8, 11, straps=True, obstructions=5)
    first, second = routed(found), routed(found)
    assert (first.wires().wires == second.wires().wires).all()
    assert (first.wires().vias == second.wires().vias).all()
    assert first.reasons == second.reasons


def test_the_check_of_this_file_finds_metal_that_is_moved():
    router = routed(random_design(30, 8, 0))
    wires = router.wires()
    assert faults(router.design, wires) == []
    for k in (0, len(wires.wires) // 2):
        less = np.delete(wires.wires, k, axis=0)
        assert faults(router.design, Wires(less, wires.vias)) != []
    less = Wires(wires.wires, wires.vias[1:])
    assert faults(router.design, less) != []
    # A wire of one net as another net's: both are broken.
    other = wires.wires.copy()
    other[0, 0] = other[-1, 0]
    assert len(faults(router.design, Wires(other, wires.vias))) > 1


def nearest_gap(router, net):
    """Return the least length between entries of two pins."""
    begin, end = router.entries.spans[net]
    rows = router.entries.table[begin:end]
    places = np.stack([rows[:, PIN], router.at.x[rows[:, COLUMN]], router.at.y[rows[:, ROW]]], 1)
    first, second = places[places[:, 0] == 0], places[places[:, 0] == 1]
    return int(np.abs(first[:, None, 1:] - second[None, :, 1:]).sum(axis=2).min())


@pytest.mark.parametrize("seed", range(12))
def test_a_net_of_two_pins_in_an_empty_design_is_as_long_as_they_are_apart(seed):
    rng = np.random.default_rng(seed)
    # On two columns, so that each way has a wire on metal3.
    columns, rows = rng.choice(18, 2, replace=False), rng.integers(0, 4, 2)
    pins = [pin_at(*site) for site in zip(columns.tolist(), rows.tolist(), strict=True)]
    router = routed(design([pins], 8000), highest=(2, 5)[seed % 2])
    assert total_length(router.wires()) == nearest_gap(router, 0)
    assert len(router.wires().vias) == 4
    check(router)


def test_two_pins_on_a_column_need_no_metal3():
    router = routed(design([[pin_at(4, 0), pin_at(4, 3)]], 8000))
    assert len(router.wires().vias) == 2
    assert len(router.wires().wires) == 1
    assert total_length(router.wires()) == nearest_gap(router, 0)


def walls(column, row):
    """Return obstructions of all metals around a pin, and above it."""
    (_, (left, bottom, right, top)) = pin_at(column, row)[0]
    return [(2 * k, (left - 500, bottom - 500, right + 500, top + 500)) for k in range(1, 6)]


def test_a_net_with_a_pin_that_is_walled_in_has_a_reason_and_no_metal():
    nets = [[pin_at(3, 1), pin_at(12, 3)], [pin_at(6, 3), pin_at(10, 1)]]
    router = routed(design(nets, 8000, walls(3, 1)))
    assert router.reasons == {0: "no way is free"}
    assert set(router.routes) == {1}
    check(router)


def test_a_net_with_a_pin_beside_all_tracks_has_a_reason_and_no_metal():
    beside = [(0, (1140, 1060, 1200, 1120))]
    nets = [[beside, pin_at(12, 3)], [pin_at(6, 3), pin_at(10, 1)]]
    router = routed(design(nets, 8000))
    assert router.reasons == {0: "no track and via reach its pin c0_0 A"}
    check(router)


def test_nets_with_one_pin_or_none_have_neither_metal_nor_a_reason():
    router = routed(design([[pin_at(3, 1)], [], [pin_at(6, 3), pin_at(10, 1)]], 8000))
    assert set(router.routes) == {2}
    assert router.reasons == {}
    check(router)


def test_a_design_without_nets_has_no_wires():
    router = routed(design([], 8000, walls(3, 1)))
    assert len(router.wires().wires) == len(router.wires().vias) == 0


def test_a_time_that_is_up_leaves_the_first_net_and_tells_so():
    router = routed(random_design(20, 8, 2), time_limit=0)
    check(router)
    assert len(router.routes) == 1
    assert set(router.reasons.values()) == {"the time was up"}


@pytest.mark.parametrize("seconds", [0.001, 0.005, 0.02, 0.05])
def test_a_time_limit_at_any_moment_leaves_whole_nets_only(seconds):
    router = DesignRouter(random_design(40, 8, 5), LOWEST, 2)
    router.route(time_limit=seconds)
    check(router)


def test_progress_counts_the_routed_nets():
    found = random_design(20, 8, 2)
    router, counts = DesignRouter(found, LOWEST, HIGHEST), []
    router.route(progress=counts.append)
    assert counts[-1] >= len(router.routes) == 20
    assert set(range(1, 21)) <= set(counts)


def places(router, wires):
    """Return plane, row and column of all places on wires."""
    at = router.lattice
    found = set()
    for _, metal, x0, y0, x1, y1 in wires.wires.tolist():
        columns = np.flatnonzero((at.x >= x0) & (at.x <= x1))
        rows = np.flatnonzero((at.y >= y0) & (at.y <= y1))
        found |= {(metal - LOWEST, j, i) for j, i in itertools.product(rows, columns)}
    return found


def test_a_net_stays_in_its_guides_if_it_can():
    found = design([[pin_at(2, 0), pin_at(16, 0)]], 8000)
    free = routed(found)
    lattice = free.lattice
    rows, columns = len(lattice.y), len(lattice.x)
    half, edge = rows // 2, 12
    # Up on the left, across the upper half, and down on the right.
    boxes = [(half, 0, rows, columns), (0, 0, rows, edge), (0, columns - edge, rows, columns)]
    guides = np.array([(p, *box) for p in range(3) for box in boxes])
    router = routed(found, guides={0: guides})
    check(router)
    inside = {
        (p, j, i)
        for p, r0, c0, r1, c1 in guides.tolist()
        for j, i in itertools.product(range(r0, r1), range(c0, c1))
    }
    assert places(router, router.wires()) <= inside
    assert not places(free, free.wires()) <= inside
    assert total_length(router.wires()) > total_length(free.wires())


def test_guides_that_cannot_be_kept_are_left():
    found = design([[pin_at(2, 0), pin_at(16, 0)]], 8000)
    guides = {0: np.array([(0, 0, 0, 3, 3)])}
    assert routed(found, guides=guides).reasons == {}
    free, guided = routed(found).wires(), routed(found, guides=guides).wires()
    assert (free.wires == guided.wires).all()


def test_metal_of_the_design_is_kept_away_from_as_its_width_demands():
    """A strap of metal4 needs more space than a wire; the same design without it uses its place."""
    nets = [[pin_at(2, row), pin_at(16, 3 - row)] for row in range(4)]
    strap = [(6, (3000, 0, 4200, 8000)), (4, (3000, 0, 4200, 8000))]
    router = routed(design(nets, 8000, strap))
    check(router)
    open_ = dataclasses.replace(router.design, shapes=design(nets, 8000).shapes)
    assert len(routed(open_).routes) == 4


def test_adjacent_pins_on_neighbouring_tracks_are_both_reached():
    """Vias side by side inside of their pins keep the space that the pins keep."""
    nets = [[pin_at(column, 0), pin_at(column, 3)] for column in range(2, 14)]
    router = routed(design(nets, 8000), highest=2)
    check(router)
    assert router.reasons == {}
    # Each is a straight wire of metal2 between two vias.
    assert len(router.wires().wires) == len(nets)
