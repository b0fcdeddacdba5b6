"""A place is in the way of a shape if and only if metal drawn there comes too close to it."""

import numpy as np
import pytest
from small_designs import design

from keras_route.chip.compiled.occupancy import FREE, TAKEN, block_all, empty, fights, use
from keras_route.chip.lattice import Lattice

SIDE = 4400
PLANES = 4
NETS = 3


@pytest.fixture
def lattice():
    return Lattice.of(design([], SIDE), 1, PLANES)


@pytest.fixture
def at(lattice):
    return empty(lattice)


def close(some, others, space):
    """Return which boxes are closer than a space, (some, others), in the larger of both axes."""
    a, b = np.asarray(some)[:, None], np.asarray(others)[None]
    return np.maximum(a[..., :2] - b[..., 2:], b[..., :2] - a[..., 2:]).max(axis=2) < space


def moved(box, places):
    return np.tile(places, 2) + box


def crossings(at):
    """Return x and y of all crossings, row by row."""
    return np.stack([axis.ravel() for axis in np.meshgrid(at.x, at.y)], axis=1)


def wire_box(at, wire):
    half = at.half_width[wire[0]]
    return np.array(wire[1:]) + (-half, -half, half, half)


def metals_of(at, wires, vias):
    """Return plane and box of all metal of wires and vias, from plane -1 on."""
    found = [(wire[0], wire_box(at, wire)) for wire in wires.tolist()]
    for level, x, y, kind, out in vias.tolist():
        place = np.array([[x, y]])
        found.append((level, moved(at.above[level], place)[0]))
        if level > 0:
            found.append((level - 1, moved(at.below[level], place)[0]))
        elif out:
            found.append((-1, moved(at.entry_boxes[kind], place)[0]))
    return found


def cuts_of(at, vias):
    return [(v[0], moved(at.cut[v[0]], np.array([[v[1], v[2]]]))[0]) for v in vias.tolist()]


def in_the_way(at, metals, cuts):
    """Return how many shapes are in the way of wires, and of vias, at each place."""
    places = crossings(at)
    shape = at.use_wire.shape
    wire, via = np.zeros((2, *shape), int)
    for plane, box in metals:
        space = at.space[plane] if plane >= 0 else at.under_space
        half = at.half_width[max(plane, 0)]
        parts = [] if plane < 0 else [(wire, plane, (-half, -half, half, half))]
        if plane >= 0:
            parts.append((via, plane, at.above[plane]))
        if plane + 1 < PLANES:
            parts.append((via, plane + 1, at.below[plane + 1]))
        for counts, p, drawn in parts:
            counts[p] += close(moved(drawn, places), [box], space).reshape(shape[1:])
    for level, box in cuts:
        drawn = moved(at.cut[level], places)
        via[level] += close(drawn, [box], at.cut_space[level]).reshape(shape[1:])
    return wire, via


def random_net(at, rng, count=3):
    """Return wires along the tracks, and vias at crossings."""
    wires, vias = [], []
    for _ in range(count):
        p, i, j = rng.integers(PLANES), *(rng.integers(len(a), size=2) for a in (at.x, at.y))
        i, j = np.sort(i), np.sort(j)
        if at.horizontal[p]:
            wires.append((p, at.x[i[0]], at.y[j[0]], at.x[i[1]], at.y[j[0]]))
        else:
            wires.append((p, at.x[i[0]], at.y[j[0]], at.x[i[0]], at.y[j[1]]))
        level = rng.integers(PLANES)
        kind = rng.integers(2) if level == 0 else level + 1
        vias.append((level, at.x[rng.choice(i)], at.y[rng.choice(j)], kind, rng.integers(2)))
    return np.array(wires), np.array(vias)


@pytest.mark.parametrize("seed", range(8))
def test_a_net_is_in_the_way_exactly_where_metal_comes_too_close_to_it(at, seed):
    wires, vias = random_net(at, np.random.default_rng(seed))
    use(at, wires, vias, 1)
    wire, via = in_the_way(at, metals_of(at, wires, vias), cuts_of(at, vias))
    assert (at.use_wire == wire).all()
    assert (at.use_via == via).all()
    assert wire.any() and via.any()


def test_nets_that_are_counted_in_and_out_leave_nothing(at, rng):
    nets = [random_net(at, rng) for _ in range(6)]
    for net in nets:
        use(at, *net, 1)
    for net in rng.permutation(len(nets)):
        use(at, *nets[net], -1)
    assert not at.use_wire.any()
    assert not at.use_via.any()


def test_counts_of_several_nets_add_up(at, rng):
    first, second = random_net(at, rng), random_net(at, rng)
    use(at, *first, 1)
    alone = at.use_wire.astype(int), at.use_via.astype(int)
    use(at, *first, -1)
    use(at, *second, 1)
    other = at.use_wire.astype(int), at.use_via.astype(int)
    use(at, *first, 1)
    assert (at.use_wire == alone[0] + other[0]).all()
    assert (at.use_via == alone[1] + other[1]).all()


@pytest.mark.parametrize("seed", range(30))
def test_two_nets_fight_exactly_if_their_metal_or_cuts_come_too_close(at, seed):
    rng = np.random.default_rng(seed)
    first, second = random_net(at, rng, 1), random_net(at, rng, 1)
    use(at, *first, 1)
    expected = any(
        close([a], [b], at.space[p] if p >= 0 else at.under_space).any()
        for p, a in metals_of(at, *first)
        for q, b in metals_of(at, *second)
        if p == q >= 0
    ) or any(
        close([a], [b], at.cut_space[p]).any()
        for p, a in cuts_of(at, first[1])
        for q, b in cuts_of(at, second[1])
        if p == q
    )
    # The metal below plane 0 counts where that of the first net sticks out of its pin.
    under = [box for p, box in metals_of(at, *first) if p == -1]
    for level, x, y, _, _ in second[1].tolist():
        if level == 0 and under:
            box = moved(at.below[0], np.array([[x, y]]))
            expected |= bool(close(box, under, at.under_space).any())
    assert fights(at, *second, 1) == expected
    assert (at.past_wire.any() or at.past_via.any()) == expected
    assert (at.use_wire[at.past_wire > 0] > 0).all()
    assert (at.use_via[at.past_via > 0] > 0).all()


def test_to_ask_whether_nets_fight_may_leave_no_mark(at):
    net = np.array([[0, at.x[2], at.y[0], at.x[2], at.y[9]]]), np.zeros((0, 5), int)
    use(at, *net, 1)
    assert fights(at, *net, 0)
    assert not at.past_wire.any()


def test_vias_side_by_side_on_neighbouring_tracks_fight_only_with_metal_that_sticks_out(at):
    """Metal within a pin is as far from its neighbours as the pin, whatever the via."""
    columns = at.x[at.on_column[0]]
    assert columns[4] - columns[3] == 380  # two upright pins have 240 between them

    def fight(kind, out):
        left, right = (np.array([[0, columns[i], at.y[4], kind, out]]) for i in (3, 4))
        none = np.zeros((0, 5), int)
        use(at, none, left, 1)
        found = fights(at, none, right, 0)
        use(at, none, left, -1)
        return found

    assert not fight(0, 0)
    assert not fight(1, 0)
    assert not fight(0, 1)
    assert fight(1, 1)  # each is 280 wide, which leaves 100 between them


@pytest.mark.parametrize("seed", range(8))
def test_fixed_shapes_take_each_place_from_all_others(at, lattice, seed):
    rng = np.random.default_rng(seed)
    count = 12
    cuts = rng.random(count) < 0.3
    planes = np.where(cuts, rng.integers(0, PLANES, count), rng.integers(-1, PLANES, count))
    low = rng.integers(0, SIDE, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(20, 900, (count, 2))], axis=1)
    spaces = rng.integers(100, 400, count)
    nets = rng.choice([TAKEN, *range(NETS)], count)
    block_all(at, planes, cuts, boxes, spaces, nets)
    owners = {}
    places, shape = crossings(at), at.fixed_wire.shape
    for k in range(count):
        # Places of a wire or via that are too close to this shape.
        here = np.zeros((2, *shape), bool)
        parts = []
        if cuts[k]:
            parts = [(1, planes[k], at.cut[planes[k]])]
        elif planes[k] >= 0:
            half = at.half_width[planes[k]]
            parts = [(0, planes[k], (-half, -half, half, half))]
            parts.append((1, planes[k], at.above[planes[k]]))
            if planes[k] + 1 < PLANES:
                parts.append((1, planes[k] + 1, at.below[planes[k] + 1]))
        for which, plane, drawn in parts:
            found = close(moved(drawn, places), [boxes[k]], spaces[k]).reshape(shape[1:])
            here[which, plane] |= found
        for place in map(tuple, np.argwhere(here)):
            owners.setdefault(place, set()).add(int(nets[k]))
    clean = empty(lattice)
    expected = np.stack([clean.fixed_wire, clean.fixed_via])
    for place, found in owners.items():
        if expected[place] == FREE:
            expected[place] = found.pop() if len(found) == 1 else TAKEN
    assert (np.stack([at.fixed_wire, at.fixed_via]) == expected).all()
    assert {FREE, TAKEN} < set(np.unique(expected).tolist())


def test_an_empty_lattice_is_free_on_the_tracks_only(at, lattice):
    for plane in range(PLANES):
        tracks = np.ix_(lattice.on_row[plane], lattice.on_column[plane])
        on_track = np.zeros(at.fixed_wire.shape[1:], bool)
        on_track[tracks] = True
        assert ((at.fixed_wire[plane] == FREE) == on_track).all()
        assert set(np.unique(at.fixed_wire).tolist()) == {FREE, TAKEN}
        if plane:
            both = on_track & (at.fixed_wire[plane - 1] == FREE)
            assert ((at.fixed_via[plane] == FREE) == both).all()
