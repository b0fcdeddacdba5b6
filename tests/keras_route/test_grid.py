import dataclasses

import numpy as np
import pytest

from keras_route.grid import Grid, Placed, access_points, shorts
from keras_route.net import Net, Via, Wire
from keras_route.nets import draw_net

pytestmark = pytest.mark.check


@pytest.fixture
def placed():
    pins = [(26, 3), (5, 12), (31, 25)]
    return Placed(Net.from_labels(draw_net(pins), pins), 100, 200)


def test_a_grid_covers_its_die_with_row_0_at_the_top():
    grid = Grid.over((-1.0, 2.0, 9.0, 6.0), 0.25)

    pixels = grid.pixels([(-1.0, 2.0), (9.0, 6.0), (-0.9, 5.2)])

    assert (grid.columns, grid.rows, grid.size) == (40, 16, 40)
    np.testing.assert_allclose(pixels, [(0, 40), (40, 24), (0.4, 27.2)])
    assert not grid.beyond[24:].any()
    assert grid.beyond[:24].all()


@pytest.mark.parametrize("die_um", [(0, 0, 10, 10), (-3, 5, 7.3, 8.11), (1, 1, 1.05, 9)])
@pytest.mark.parametrize("pitch", [0.08, 0.19, 0.5])
def test_as_many_wires_as_fit_lie_on_the_die(die_um, pitch):
    grid = Grid.over(die_um, pitch)

    left, bottom, right, top = die_um
    for low, first, high, count in (
        (left, grid.left_um, right, grid.columns),
        (bottom, grid.bottom_um, top, grid.rows),
    ):
        tracks = first + (np.arange(count) + 0.5) * pitch
        assert tracks[0] - 0.02 >= low - 1e-9
        assert tracks[-1] + 0.02 <= high + 1e-9
        assert high - low < (count + 1) * pitch + 0.04


@pytest.mark.parametrize("pitch", [0.0, -0.19, 0.079, np.nan, np.inf])
def test_wires_closer_than_they_are_wide_are_refused(pitch):
    with pytest.raises(ValueError, match=r"at least 0\.08 um.*Received: um_per_px="):
        Grid.over((0, 0, 10, 10), pitch)


@pytest.mark.parametrize("die_um", [(0, 0, 10, 0.04), (5, 0, 3, 9), (0, 0, np.nan, 1)])
def test_a_die_has_room_for_a_wire(die_um):
    with pytest.raises(ValueError, match="Received: die_um="):
        Grid.over(die_um, 0.19)


def test_pins_off_the_die_are_refused():
    with pytest.raises(ValueError, match=r"Received: pins at \[\[11.0, 3.0\]\]"):
        Grid.over((0, 0, 10, 10), 0.25).pixels([(1.0, 1.0), (11.0, 3.0)])


def test_windows_hold_their_pins_and_stay_in_the_grid(rng):
    grid = Grid(50, 50, 0.19)
    for _ in range(100):
        corner = rng.integers(0, 50, 2)
        pins = np.clip(corner + rng.integers(0, 20, (4, 2)), 0, 49)

        for side in (20, 33, 50):
            x, y = grid.window(pins, side)

            assert 0 <= x <= 50 - side
            assert 0 <= y <= 50 - side
            local = pins - (x, y)
            assert (local >= 0).all()
            assert (local < side).all()


def test_the_corner_of_a_window_is_where_its_pixels_are(placed):
    grid = Grid(1000, 1000, 0.5, left_um=3.0, bottom_um=-7.0)
    x_um, y_um = grid.corner_um(placed)

    # The lower left corner of the pixel in column 0 and row 31 of the window.
    np.testing.assert_allclose(grid.pixels([(x_um, y_um)]), [(100, 232)])


def test_access_points_belong_to_one_net_each_and_are_near(rng):
    pixels = rng.uniform(0, 20, (300, 2))
    nets = rng.integers(0, 100, 300)

    points = access_points(pixels, nets, Grid(20, 20, 0.19))

    found = points[:, 0] >= 0
    assert 0.5 < found.mean() < 1
    owners = {}
    for point, net in zip(points[found].tolist(), nets[found], strict=True):
        assert owners.setdefault(tuple(point), net) == net
    assert (np.abs(points[found] - np.floor(pixels[found])) <= 1).all()
    assert ((points[found] >= 0) & (points[found] < 20)).all()
    # Who found none could not: others have the nine pixels around.
    for pixel, net in zip(pixels[~found], nets[~found], strict=True):
        x, y = np.floor(pixel).astype(int)
        around = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        inside = [p for p in around if min(p) >= 0 and max(p) < 20]
        assert all(owners.get(p, net) != net for p in inside)


def test_pins_alone_on_their_pixel_stay_there():
    pixels = np.array([(0.1, 0.9), (1.5, 0.5), (7.99, 3.2), (8.0, 8.0)])

    points = access_points(pixels, np.arange(4), Grid(8, 8, 0.19))

    np.testing.assert_array_equal(points, [(0, 0), (1, 0), (7, 3), (7, 7)])


def test_a_net_is_no_short_with_itself(placed):
    assert shorts([placed]) == {}


def test_the_same_place_twice_is_a_short_in_every_layer(placed):
    found = shorts([placed, placed])

    assert {layer for layer, _, _ in found} == {
        "m2",
        "via2",
        "m3",
        "via3",
        "m4",
        "via4",
        "m5",
        "via5",
        "m6",
    }
    labels = placed.net.to_labels()
    for name, channel in (("m5", 5), ("via5", 6), ("m6", 7)):
        places = {(x - 100, y - 200) for layer, x, y in found if layer == name}
        assert places == {(x, y) for y, x in np.argwhere(labels[..., channel]).tolist()}
    # Stacks below the three pins, which land on m5.
    assert sum(layer == "m4" for layer, _, _ in found) == 3


@pytest.mark.parametrize(
    ("part", "layer"),
    [
        (Wire("m6", 20, 13, 24, 13), "m6"),
        (Wire("m4", 26, 3, 28, 3), "m4"),  # meets the stack of a pin
        (Via("via5", 26, 13), "via5"),
    ],
)
def test_one_shared_place_is_found(placed, part, layer):
    part = dataclasses.replace(
        part,
        **{name: getattr(part, name) - 50 for name in part.__dataclass_fields__ if name[0] in "xy"},
    )
    parts = {"vias": (part,)} if isinstance(part, Via) else {"wires": (part,)}
    other = Placed(Net(pins=(), **{"wires": (), "vias": (), **parts}), 150, 250)

    assert {place[0] for place in shorts([placed, other])} == {layer}


def test_neighbouring_tracks_and_crossing_metals_are_no_shorts(placed):
    apart = [Wire("m6", 5, 12, 31, 12), Wire("m5", 4, 12, 4, 13), Wire("m3", 15, 0, 15, 31)]

    assert shorts([placed, Placed(Net(pins=(), wires=tuple(apart), vias=()), 100, 200)]) == {}
