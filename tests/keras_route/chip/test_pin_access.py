"""The ways from a pin onto the lattice are those with a track, a via and room for it."""

import dataclasses

import numpy as np
import pytest
from design_faults import gaps
from small_designs import design, odd_pins_design, pin_at, random_design

from keras_route.chip.compiled.net_router import (
    AT_X,
    AT_Y,
    COLUMN,
    OUT,
    PIN,
    PLANE,
    PRICE,
    ROW,
    VIA,
)
from keras_route.chip.compiled.occupancy import empty
from keras_route.chip.fixed_shapes import block, spaces
from keras_route.chip.lattice import Lattice, fitting_vias
from keras_route.chip.pin_access import find_entries

PRICE_OF_VIA = 1000


class Ways:
    """The entries of a design."""

    def __init__(self, found, lowest=1, highest=5):
        self.design, self.lattice = found, Lattice.of(found, lowest, highest)
        self.at = empty(self.lattice)
        self.around = spaces(found)
        block(found, self.lattice, self.at, self.around)
        entries = find_entries(found, self.lattice, self.at, self.around, PRICE_OF_VIA)
        self.table, self.spans, self.unreached = entries.table, entries.spans, entries.unreached

    def of_pin(self, net, pin):
        begin, end = self.spans[net]
        rows = self.table[begin:end]
        return rows[rows[:, PIN] == pin]

    def pin_boxes(self, net, pin):
        shapes = self.design.shapes
        own = (shapes.net == net) & (shapes.pin == pin)
        return shapes.layer[own], shapes.box[own]

    def fits(self, metal, net, box):
        """Return whether the metal of a via lies inside of a pin; whether it keeps its space."""
        inside = (metal[:2] >= box[:2]).all() and (metal[2:] <= box[2:]).all()
        shapes = self.design.shapes
        others = np.flatnonzero((shapes.layer == 0) & (shapes.net != net))
        gap = gaps(metal[None], shapes.box[others]).max(axis=2)[0]
        need = np.maximum(self.around[others], self.lattice.under_space)
        return bool(inside), bool((gap >= need).all())

    def by_vias(self, net, box, outside):
        """Return row, column, via and whether it sticks out, of all vias at crossings on a pin."""
        found = []
        best = self.lattice.via[0]
        kinds = [best, *(v for v in fitting_vias(self.design.technology, 0) if v != best)]
        for i, x in enumerate(self.at.x):
            for j, y in enumerate(self.at.y):
                if not (self.at.on_column[0, i] and self.at.on_row[0, j]):
                    continue
                if not (box[0] <= x <= box[2] and box[1] <= y <= box[3]):
                    continue
                for kind in kinds:
                    metal = self.at.entry_boxes[kind] + (x, y, x, y)
                    inside, clear = self.fits(metal, net, box)
                    if inside or (outside and clear):
                        found.append((j, i, kind, int(not inside)))
                        break
        return found


@pytest.fixture(scope="module", params=range(6))
def ways(request):
    return Ways(odd_pins_design(14, 11, request.param))


def test_each_pin_is_reached_by_all_vias_that_fit(ways):
    kinds = set()
    for net in ways.spans:
        for pin in range(len(ways.design.nets[f"n{net}"])):
            (layer, *_), (box, *_) = ways.pin_boxes(net, pin)
            found = ways.of_pin(net, pin)
            if layer:
                assert (found[:, VIA] == -1).all()
                continue
            inside = ways.by_vias(net, box, outside=False)
            expected = inside or ways.by_vias(net, box, outside=True)
            rows = found[:, [ROW, COLUMN, VIA, OUT]].tolist()
            if expected:
                kinds.add("inside" if inside else "sticks out")
                assert sorted(map(tuple, rows)) == sorted(expected)
                assert (found[:, AT_X] == ways.at.x[found[:, COLUMN]]).all()
                assert (found[:, AT_Y] == ways.at.y[found[:, ROW]]).all()
                assert (found[:, PRICE] == PRICE_OF_VIA * (1 + found[:, OUT])).all()
                continue
            kinds.add("off the rows")
            for row in found:
                # metal2 is upright: the via lies on a column, and a wire leads to the nearest row.
                x, y = row[AT_X], row[AT_Y]
                metal = ways.at.entry_boxes[row[VIA]] + (x, y, x, y)
                is_inside, clear = ways.fits(metal, net, box)
                assert is_inside or clear
                assert row[OUT] == (not is_inside)
                assert box[0] <= x <= box[2] and box[1] <= y <= box[3]
                assert ways.at.x[row[COLUMN]] == x and ways.at.on_column[0, row[COLUMN]]
                stub = abs(ways.at.y[row[ROW]] - y)
                assert stub == np.abs(ways.at.y[ways.at.on_row[0]] - y).min()
                assert row[PRICE] == PRICE_OF_VIA * (1 + row[OUT]) + stub
    assert kinds >= {"inside", "sticks out"}


def test_a_pin_on_a_metal_with_wires_is_reached_where_a_track_crosses_it(ways):
    reached = 0
    for net in ways.spans:
        for pin in range(len(ways.design.nets[f"n{net}"])):
            (layer, *_), (box, *_) = ways.pin_boxes(net, pin)
            if layer == 0:
                continue
            reached += 1
            found, plane = ways.of_pin(net, pin), layer // 2 - 1
            rows = np.flatnonzero((ways.at.y >= box[1]) & (ways.at.y <= box[3]))
            rows = rows[ways.at.on_row[plane, rows]]
            columns = np.flatnonzero((ways.at.x >= box[0]) & (ways.at.x <= box[2]))
            assert (found[:, PLANE] == plane).all()
            if len(columns):
                expected = [(j, i) for j in rows.tolist() for i in columns.tolist()]
                assert found[:, [ROW, COLUMN]].tolist() == list(map(list, expected))
                assert not found[:, PRICE].any()
            else:  # metal3 is flat: a wire leads from its middle along the row
                assert set(found[:, ROW].tolist()) == set(rows.tolist())
                middle = (box[0] + box[2]) // 2
                assert (found[:, AT_X] == middle).all()
                assert (found[:, PRICE] == np.abs(ways.at.x - middle).min()).all()
    assert reached


def test_entries_lie_net_by_net_and_pin_by_pin(ways):
    assert set(ways.spans) | set(ways.unreached) == set(range(len(ways.design.nets)))
    assert not set(ways.spans) & set(ways.unreached)
    assert len(ways.spans) > 4
    for net, (begin, end) in ways.spans.items():
        pins = ways.table[begin:end, PIN]
        assert (np.diff(pins) >= 0).all()
        assert set(pins.tolist()) == set(range(len(ways.design.nets[f"n{net}"])))
        # No other net has these.
        assert not any(first < end and begin < last for first, last in _others(ways, net))


def _others(ways, net):
    return [span for other, span in ways.spans.items() if other != net]


def test_vias_inside_of_pins_are_found_however_near_the_neighbours_are():
    ways = Ways(design([[pin_at(2, 0), pin_at(8, 0)], [pin_at(3, 0), pin_at(9, 0)]], 8000))
    assert set(ways.spans) == {0, 1}
    assert not ways.table[:, OUT].any()
    shut = [(0, (0, 0, 8000, 60)), (0, (0, 760, 8000, 900))]  # rails below and above
    assert (Ways(design([[pin_at(2, 0), pin_at(8, 0)]], 8000, shut)).table[:, OUT] == 0).all()


def test_a_pin_without_room_for_a_via_is_told():
    small = [(0, (950 + 190, 1060, 950 + 250, 1120))]  # beside all columns of metal2
    ways = Ways(design([[pin_at(2, 2), small], [pin_at(4, 2), pin_at(9, 2)]], 8000))
    assert ways.unreached == {0: "no track and via reach its pin c0_1 A"}
    assert set(ways.spans) == {1}


def test_a_pin_without_metal_on_the_layers_is_told():
    found = design([[pin_at(2, 2), pin_at(6, 2)], [pin_at(4, 2), pin_at(9, 2)]], 8000)
    layer = np.where(found.shapes.net == 0, 10, found.shapes.layer)  # on metal6
    found = dataclasses.replace(found, shapes=dataclasses.replace(found.shapes, layer=layer))
    ways = Ways(found, 1, 3)
    assert ways.unreached == {0: "2 of its pins have no metal on these layers"}


def test_a_net_with_one_pin_needs_no_way():
    ways = Ways(design([[pin_at(2, 2)], [], [pin_at(4, 2), pin_at(9, 2)]], 8000))
    assert set(ways.spans) == {2}
    assert ways.unreached == {}


def test_two_shapes_of_a_pin_hold_one_via_together():
    """Metal of a via may lie on either shape; each crossing is an entry of the same pin."""
    both = pin_at(2, 2) + pin_at(5, 2)
    ways = Ways(design([[both, pin_at(9, 2)]], 8000))
    columns = set(ways.of_pin(0, 0)[:, AT_X].tolist())
    assert columns == {190 + 380 * 2, 190 + 380 * 5}


def test_all_nets_of_a_plain_design_are_reached_within_their_pins():
    ways = Ways(random_design(20, 8, 1, straps=True))
    assert ways.unreached == {}
    assert not ways.table[:, OUT].any()
