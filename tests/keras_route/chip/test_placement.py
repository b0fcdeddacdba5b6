import dataclasses

import numpy as np
import pytest

from keras_route.chip.grid import Grid
from keras_route.chip.placement import Placed, shorts
from keras_route.data.random_nets import draw_net
from keras_route.layout.net import Net, Via, Wire


@pytest.fixture
def placed():
    pins = [(26, 3), (5, 12), (31, 25)]
    return Placed(Net.from_labels(draw_net(pins), pins), 100, 200)


def test_the_corner_of_a_window_is_where_its_pixels_are(placed):
    grid = Grid(1000, 1000, 0.5, left_um=3.0, bottom_um=-7.0)
    x_um, y_um = placed.corner_um(grid)

    # The lower left corner of the pixel in column 0 and row 31 of the window.
    np.testing.assert_allclose(grid.pixels([(x_um, y_um)]), [(100, 232)])


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
