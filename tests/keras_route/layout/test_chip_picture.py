"""Pictures of routed designs show each wire in its place, width and colour."""

import numpy as np
import pytest

from keras_route.layout.chip_picture import METALS, chip_figure, wire_boxes, write_chip_picture
from keras_route.layout.design import Design, Shapes, Wires
from keras_route.random_design.process import GENERIC_45

collections = pytest.importorskip("matplotlib.collections", reason="pictures need matplotlib")
SHAPES = Shapes(
    layer=np.array([0, 0, 6]),
    box=np.array([[0, 0, 140, 280], [4000, 4000, 4140, 4280], [2000, 0, 2960, 8000]]),
    net=np.array([0, 0, -1]),
    pin=np.array([0, 1, -1]),
)
DESIGN = Design(
    "tiny",
    2000,
    (0, 0, 8000, 8000),
    GENERIC_45,
    (),
    {"a": (("u1", "A"), ("u2", "Z"))},
    SHAPES,
)
WIRES = Wires(
    wires=np.array([[0, 1, 70, 140, 70, 4140], [0, 2, 70, 4140, 4070, 4140]]),
    vias=np.array([[0, 2, 70, 4140]]),
)


def facecolours(drawing):
    """Return colour as text to the number of shapes in it."""
    from matplotlib.colors import to_hex

    found = {}
    for collection in drawing.axes[0].collections:
        if len(collection.get_paths()):
            found[to_hex(collection.get_facecolor()[0])] = len(collection.get_paths())
    return found


def test_wires_reach_half_their_width_beyond_their_ends():
    assert wire_boxes(DESIGN, WIRES).tolist() == [
        [1, 0, 70, 140, 4210],
        [2, 0, 4070, 4140, 4210],
    ]


def test_each_layer_has_its_colour_and_its_length():
    drawing = chip_figure(DESIGN, WIRES)
    found = facecolours(drawing)
    assert found[METALS[1]] == found[METALS[2]] == 1
    assert METALS[0] not in found
    texts = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert texts[:3] == ["metal2  2 µm", "metal3  2 µm", "vias  1"]


def test_only_components_of_nets_are_outlined():
    box = (0, 0, 1000, 2800)
    one = facecolours(chip_figure(DESIGN, WIRES, {"u1": box, "filler": box}))
    assert len(one) == len(facecolours(chip_figure(DESIGN, WIRES))) + 1
    assert one["#1b2538"] == 1


def test_a_window_leaves_out_what_lies_beyond():
    found = facecolours(chip_figure(DESIGN, WIRES, window=(0, 0, 1000, 1000)))
    assert METALS[1] in found
    assert METALS[2] not in found


def test_a_design_without_wires_is_drawn():
    none = Wires(np.zeros((0, 6), int), np.zeros((0, 4), int))
    assert METALS[1] not in facecolours(chip_figure(DESIGN, none))


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")], ids=["png", "svg"]
)
def test_pictures_are_written(tmp_path, ending, start):
    path = tmp_path / f"chip{ending}"
    write_chip_picture(DESIGN, WIRES, path)
    assert path.read_bytes().startswith(start)


def test_other_endings_and_empty_windows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: path="):
        write_chip_picture(DESIGN, WIRES, tmp_path / "chip.pdf")
    with pytest.raises(ValueError, match="Received: window="):
        chip_figure(DESIGN, WIRES, window=(0, 0, 0, 10))
    assert not list(tmp_path.iterdir())
