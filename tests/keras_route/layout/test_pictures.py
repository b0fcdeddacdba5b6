import sys
import xml.etree.ElementTree

import numpy as np
import pytest

from keras_route.data.random_nets import draw_net
from keras_route.layout import pictures
from keras_route.layout.net import Net

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def labels():
    return draw_net([(26, 3), (5, 12), (31, 25)])


def read_png(path):
    image = pytest.importorskip("matplotlib.image").imread(path)
    return (image[..., :3] * 255).round().astype("uint8")


def test_a_pixel_has_the_mean_colour_of_what_it_holds(labels):
    image = pictures.colours(labels)
    assert image.shape == (32, 32, 3)
    assert image.dtype == "uint8"
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[13, 10].tolist() == [0, 191, 255]  # m6
    assert image[5, 26].tolist() == [169, 169, 169]  # m5
    assert image[3, 26].tolist() == [84, 84, 84]  # m5 below a pin: 84.5, half to even
    assert image[13, 26].tolist() == [141, 120, 141]  # m5, via5, m6


def test_a_batch_is_coloured_as_its_images(labels, rng):
    batch = np.stack([labels, rng.random(labels.shape) < 0.3])
    expected = [pictures.colours(image) for image in batch]
    np.testing.assert_array_equal(pictures.colours(batch), expected)


def test_png_holds_the_colours(labels, tmp_path):
    pytest.importorskip("matplotlib")
    Net.from_labels(labels).to_png(tmp_path / "net.png")
    image = read_png(tmp_path / "net.png")
    assert image.shape == (512, 512, 3)
    np.testing.assert_array_equal(image[8::16, 8::16], pictures.colours(labels))


def test_svg_has_a_shape_for_each_part(labels, tmp_path):
    net = Net.from_labels(labels)
    net.to_svg(tmp_path / "net.svg")
    root = xml.etree.ElementTree.parse(tmp_path / "net.svg").getroot()
    assert root.get("viewBox") == "0 0 32 32"
    shapes = {shape.find(f"{SVG}title").text: shape for shape in root if len(shape)}
    parts = [*map(str, net.wires), *map(str, net.vias), *(f"pin at {pin}" for pin in net.pins)]
    assert set(shapes) == set(parts)
    assert shapes["m6 from (5, 13) to (31, 13)"].get("fill") == "rgb(0, 191, 255)"


def test_pairs_are_compared_in_one_picture(labels, tmp_path):
    pytest.importorskip("matplotlib")
    batch = np.stack([labels] * 4)
    figure = pictures.figure(batch, batch[::-1])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [
        *(f"{side} {i}" for side in ("actual", "predicted") for i in range(3)),
        *(f"{side} 3" for side in ("actual", "predicted")),
    ]
    pictures.write_comparison(batch, batch, tmp_path / "pairs.png")
    assert read_png(tmp_path / "pairs.png").ndim == 3


def test_pairs_have_one_shape(labels):
    with pytest.raises(ValueError, match="compared in pairs"):
        pictures.figure(labels[None], np.stack([labels] * 2))
    with pytest.raises(ValueError, match="compared in pairs"):
        pictures.figure(labels, labels)


def test_without_matplotlib_svg_remains(labels, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    with pytest.raises(ImportError, match="pip install matplotlib, or write SVG"):
        Net.from_labels(labels).to_png(tmp_path / "net.png")
    assert not list(tmp_path.iterdir())
    Net.from_labels(labels).to_svg(tmp_path / "net.svg")
