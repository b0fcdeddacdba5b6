"""What is drawn for a net is one piece, holds a way to each pin, and ends nowhere else."""

import numpy as np
import pytest
from design_faults import faults, pieces
from small_designs import odd_pins_design, random_design

from keras_route.chip.compiled.drawn_net import geometry, metal_of, patches
from keras_route.chip.compiled.net_router import AT_X, AT_Y, COLUMN, PIN, PLANE, ROW, VIA, route_net
from keras_route.chip.compiled.occupancy import empty
from keras_route.chip.compiled.topology import steiner_tree
from keras_route.chip.compiled.window import Prices, window_of
from keras_route.chip.fixed_shapes import block, spaces
from keras_route.chip.lattice import Lattice
from keras_route.chip.pin_access import find_entries
from keras_route.layout.design import Wires

LOWEST = 1
NO_GUIDES = np.zeros((0, 5), np.int64)


class Drawn:
    """The nets of a design, each drawn as if it were alone."""

    def __init__(self, found):
        self.design, self.lattice = found, Lattice.of(found, LOWEST, 5)
        self.at = empty(self.lattice)
        around = spaces(found)
        block(found, self.lattice, self.at, around)
        ways = find_entries(found, self.lattice, self.at, around, 1000)
        via = np.full(self.lattice.planes, 1000)
        prices = Prices(np.ones(self.lattice.planes, np.int64), via, 500, 2)
        window = window_of(self.at.fixed_wire.size)
        limit = np.array([0, 0, len(self.at.y), len(self.at.x)])
        self.nets = {}
        for net, (begin, end) in ways.spans.items():
            entries = ways.table[begin:end]
            first = [np.flatnonzero(entries[:, PIN] == p)[0] for p in range(entries[-1, PIN] + 1)]
            pins = np.stack(
                [self.at.x[entries[first, COLUMN]], self.at.y[entries[first, ROW]]], axis=1
            )
            tree = steiner_tree(pins)
            args = (net, entries, *tree, NO_GUIDES, 4000, limit)
            steps, used, parts = route_net(self.at, window, prices, *args)
            wires, vias = geometry(self.at, entries, used, steps, self.lattice.via)
            self.nets[net] = entries, used, parts, wires, vias


@pytest.fixture(scope="module", params=range(4))
def drawn(request):
    seed = request.param
    if seed % 2:
        return Drawn(odd_pins_design(16, 11, seed))
    return Drawn(random_design(20, 8, seed, straps=True, obstructions=10))


def as_wires(net, wires, vias):
    lines = [(net, wire[0] + LOWEST, *wire[1:]) for wire in wires.tolist()]
    drilled = [(net, via[3], via[1], via[2]) for via in vias.tolist()]
    return Wires(np.array(lines).reshape(-1, 6), np.array(drilled).reshape(-1, 4))


def covers(wire, plane, x, y):
    return wire[0] == plane and wire[1] <= x <= wire[3] and wire[2] <= y <= wire[4]


def test_a_joined_net_is_one_piece_with_all_of_its_pins_and_keeps_its_space(drawn):
    joined = 0
    for net, (_, used, parts, wires, vias) in drawn.nets.items():
        if parts > 1:
            continue
        joined += 1
        assert (used >= 0).all()
        assert faults(drawn.design, as_wires(net, wires, vias)) == []
    assert joined > 5


def test_the_number_of_parts_is_that_of_the_pieces(drawn):
    for entries, used, parts, wires, vias in drawn.nets.values():
        # Pieces of pins, wires and vias, which touch at their centre lines.
        things = [(p, *wire) for p, wire in enumerate(wires[:, 1:].tolist())]
        links = np.eye(len(wires) + len(vias) + len(used), dtype=bool)
        for v, (level, x, y, _, _) in enumerate(vias.tolist(), len(wires)):
            for w, wire in enumerate(wires.tolist()):
                links[v, w] |= any(covers(wire, p, x, y) for p in (level - 1, level))
            for u, other in enumerate(vias.tolist(), len(wires)):
                same = other[1:3] == [x, y] and abs(other[0] - level) <= 1
                links[v, u] |= same
        for a, wire in enumerate(wires.tolist()):
            for b, other in enumerate(wires.tolist()):
                touch = wire[1] <= other[3] and other[1] <= wire[3]
                touch &= wire[2] <= other[4] and other[2] <= wire[4]
                links[a, b] |= touch and wire[0] == other[0]
        for pin, entry in enumerate(used.tolist(), len(wires) + len(vias)):
            if entry < 0:
                continue
            plane, x, y = entries[entry, [PLANE, AT_X, AT_Y]].tolist()
            for w, wire in enumerate(wires.tolist()):
                links[pin, w] |= covers(wire, plane, x, y)
            for v, via in enumerate(vias.tolist(), len(wires)):
                links[pin, v] |= via[1:3] == [x, y] and plane in (via[0] - 1, via[0])
        assert len(np.unique(pieces(links))) == parts, things


def test_every_end_of_a_wire_has_a_via_an_entry_or_another_wire(drawn):
    ends = 0
    for entries, used, _, wires, vias in drawn.nets.values():
        there = entries[used[used >= 0]]
        places = {(e[PLANE], e[AT_X], e[AT_Y]) for e in there.tolist()}
        places |= {(v[0] - below, v[1], v[2]) for v in vias.tolist() for below in (0, 1)}
        for k, wire in enumerate(wires.tolist()):
            others = np.delete(wires, k, axis=0).tolist()
            for x, y in {(wire[1], wire[2]), (wire[3], wire[4])}:
                ends += 1
                held = (wire[0], x, y) in places
                assert held or any(covers(other, wire[0], x, y) for other in others)
    assert ends > 20


def test_every_via_joins_metal_above_and_below(drawn):
    for entries, used, _, wires, vias in drawn.nets.values():
        there = entries[used[used >= 0]]
        pins = {(e[PLANE], e[AT_X], e[AT_Y]) for e in there.tolist() if e[VIA] < 0}
        for k, (level, x, y, _, _) in enumerate(vias.tolist()):
            others = np.delete(vias, k, axis=0).tolist()
            for plane in (level, level - 1)[: 1 + (level > 0)]:
                held = any(covers(wire, plane, x, y) for wire in wires.tolist())
                held |= (plane, x, y) in pins
                held |= any(o[1:3] == [x, y] and plane in (o[0], o[0] - 1) for o in others)
                alone = level == 0 and len(vias) == 1
                assert held or alone


def test_wires_run_along_their_tracks_but_for_the_last_bit_to_a_pin(drawn):
    at = drawn.at
    for entries, used, _, wires, vias in drawn.nets.values():
        there = entries[used[used >= 0]]
        off = {(e[PLANE], e[AT_X], e[AT_Y]) for e in there.tolist()}
        for plane, x0, y0, x1, y1 in wires.tolist():
            assert x0 <= x1 and y0 <= y1
            assert (x0 == x1) != (y0 == y1)
            on_rows = set(at.y[at.on_row[plane]].tolist())
            on_columns = set(at.x[at.on_column[plane]].tolist())
            ends = [
                x in on_columns and y in on_rows or (plane, x, y) in off
                for x, y in ((x0, y0), (x1, y1))
            ]
            assert all(ends)
            straight = (y0 == y1) == at.horizontal[plane]
            assert straight or (plane, x0, y0) in off or (plane, x1, y1) in off
        assert len({tuple(via[:3]) for via in vias.tolist()}) == len(vias)


def metal_on(at, wires, vias):
    """Return the intervals of metal on each line: (plane, middle) to a list of (low, high)."""
    found = {}
    boxes = [
        (w[0], np.array(w[1:]) + np.array([-1, -1, 1, 1]) * at.half_width[w[0]]) for w in wires
    ]
    for level, x, y, _, _ in vias:
        boxes.append((level, at.above[level] + (x, y, x, y)))
        if level:
            boxes.append((level - 1, at.below[level] + (x, y, x, y)))
    for plane, box in boxes:
        along = 0 if at.horizontal[plane] else 1
        middle = (box[1 - along] + box[3 - along]) // 2
        found.setdefault((plane, int(middle)), []).append((int(box[along]), int(box[along + 2])))
    return found


def merged(intervals, space):
    """Return the union of intervals, with gaps closed that are below a space but not 0."""
    done = []
    for low, high in sorted(intervals):
        if done and low - done[-1][1] < max(space, 1):
            done[-1][1] = max(done[-1][1], high)
        else:
            done.append([low, high])
    return done


@pytest.mark.parametrize("seed", range(12))
def test_patches_close_exactly_the_gaps_below_the_space(drawn, seed):
    at, rng = drawn.at, np.random.default_rng(seed)
    wires, vias = [], []
    rows, columns = rng.integers(0, len(at.y), 2), rng.integers(0, len(at.x), 2)
    for _ in range(14):
        plane = int(rng.integers(len(at.horizontal)))
        if at.horizontal[plane]:
            x0, x1 = np.sort(rng.choice(at.x, 2))
            x1 = min(x1, x0 + 700)
            wires.append((plane, x0, at.y[rng.choice(rows)], x1, at.y[rng.choice(rows)]))
            wires[-1] = (*wires[-1][:4], wires[-1][2])
        else:
            y0, y1 = np.sort(rng.choice(at.y, 2))
            y1 = min(y1, y0 + 700)
            x = at.x[rng.choice(columns)]
            wires.append((plane, x, y0, x, y1))
        level = int(rng.integers(1, len(at.horizontal)))
        vias.append((level, at.x[rng.choice(columns)], at.y[rng.integers(len(at.y))], level + 1, 0))
    wires, vias = np.array(wires), np.array(vias)
    found = patches(at, metal_of(at, wires, vias))
    before = metal_on(at, wires.tolist(), vias.tolist())
    after = metal_on(at, np.concatenate([wires, found]).tolist(), vias.tolist())
    assert set(after) == set(before)
    for (plane, middle), intervals in before.items():
        closed = merged(intervals, at.space[plane])
        assert merged(after[plane, middle], 0) == closed


def test_routed_nets_need_few_patches(drawn):
    for net, (_, _, parts, wires, vias) in drawn.nets.items():
        closed = patches(drawn.at, metal_of(drawn.at, wires, vias))
        assert len(closed) <= len(vias)
        if parts == 1:
            lines = np.concatenate([wires, closed])
            assert faults(drawn.design, as_wires(net, lines, vias)) == []
