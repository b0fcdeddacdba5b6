import numpy as np
import pytest
from scores import Decided, layout_rule

from keras_route.chip.chip_router import ChipRouter
from keras_route.chip.grid import Grid
from keras_route.chip.guide import guides
from keras_route.chip.placement import off_tracks, shorts
from keras_route.data.random_nets import draw_net
from keras_route.layout.checking import check
from keras_route.pins import PinSets

SIZE = 36


def crowd(rng, count, reach=12):
    """Return pins of nets that lie close together, no pixel twice."""
    cells, nets = rng.permutation(SIZE * SIZE), []
    for _ in range(count):
        places = np.stack(np.divmod(cells, SIZE), axis=1)
        near = np.flatnonzero(np.abs(places - rng.integers(0, SIZE, 2)).max(axis=1) < reach)
        near = near[: rng.integers(2, 5)]
        nets.append(places[near])
        cells = np.delete(cells, near)
    return nets


def router(pins, guided=True, size=SIZE):
    grid = Grid(size, size, 11 / 32)
    sets = PinSets.of(pins)
    known = guides(Decided(layout_rule), grid, sets) if guided else {}
    return ChipRouter(grid, sets, known, [f"n{i}" for i in range(len(pins))])


@pytest.mark.parametrize("guided", [True, False])
def test_a_crowd_of_nets_is_joined_without_shorts(guided, rng):
    pins = crowd(rng, 90)
    chip = router(pins, guided)

    given_up = chip.route()

    assert given_up == {}
    assert chip.takes.total() > 0  # some had to give way
    assert shorts(chip.placed.values()) == {}
    for net, places in enumerate(pins):
        placed = chip.placed[net]
        assert check(placed.net) == []
        assert {(x + placed.x, y + placed.y) for x, y in placed.net.pins} == set(
            map(tuple, places.tolist())
        )


def test_a_lonely_net_gets_the_route_of_its_guide():
    pins = [np.array([(26, 3), (5, 12), (31, 25)]) + 3]
    chip = router(pins)

    chip.route()

    (placed,) = chip.placed.values()
    assert chip.searched == set()
    assert not placed.net.repaired
    x, y = chip.guides[0].x, chip.guides[0].y
    np.testing.assert_array_equal(
        placed.net.to_labels()[y - placed.y :, x - placed.x :][:32, :32],
        draw_net(pins[0] - (x, y)),
    )


def test_a_flat_die_keeps_its_nets(rng):
    grid = Grid.over((2.0, -1.0, 12.0, 1.0), 0.25)
    cells = rng.permutation(grid.columns * grid.rows)[:48].reshape(16, 3)
    pins = [np.stack(np.divmod(net, grid.rows), axis=1) for net in cells]
    pins = [net + (0, grid.size - grid.rows) for net in pins]
    sets = PinSets.of(pins)
    chip = ChipRouter(
        grid, sets, guides(Decided(layout_rule), grid, sets), [f"n{i}" for i in range(16)]
    )

    given_up = chip.route()

    assert len(chip.placed) + len(given_up) == 16
    assert len(chip.placed) > 8
    assert shorts(chip.placed.values()) == {}
    assert off_tracks(chip.placed.values(), grid) == []
    everywhere = Grid(grid.size, 1, grid.um_per_px)
    assert off_tracks(chip.placed.values(), everywhere)  # it does see wires above


def test_where_there_is_no_room_nets_are_given_up_with_a_reason(rng):
    cells = rng.permutation(25)[:24].reshape(12, 2)
    pins = [np.stack(np.divmod(net, 5), axis=1) for net in cells]
    chip = router(pins, size=5)

    given_up = chip.route()

    assert given_up
    assert set(given_up).isdisjoint(chip.placed)
    assert set(given_up) | set(chip.placed) == set(range(12))
    assert all("pushing others aside 12 times" in reason for reason in given_up.values())
    assert shorts(chip.placed.values()) == {}


def test_progress_counts_the_nets_that_are_routed(rng):
    seen = []

    router(crowd(rng, 9)).route(seen.append)

    assert seen == list(range(1, 10))


def test_nets_cannot_share_a_pixel():
    pins = [np.array([(1, 1), (5, 5)]), np.array([(5, 5), (9, 9)])]

    with pytest.raises(ValueError, match="Received: net 'n1'"):
        ChipRouter(Grid(20, 20, 0.2), PinSets.of(pins), {}, ["n0", "n1"])


@pytest.mark.parametrize("pins", [[(1, 1), (1, 1)], [(1, 1), (1, 20)], [(-1, 1), (1, 1)]])
def test_a_net_has_two_pins_on_the_grid(pins):
    with pytest.raises(ValueError, match="two or more different pins on the 20 x 20 pixels"):
        ChipRouter(Grid(20, 20, 0.2), PinSets.of([pins]), {}, ["n0"])
