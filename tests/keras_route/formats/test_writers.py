"""Every format holds every net, under its name."""

import json
import xml.etree.ElementTree

import numpy as np
import pytest

from keras_route.data.random_nets import generate
from keras_route.formats import sheets, writers
from keras_route.layout.net import Net

pytestmark = pytest.mark.check

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def nets():
    labels = generate(5, seed=2)[1]
    names = ("a", "b<1>", "$c&", "", "e[0]")
    return [Net.from_labels(y, name=name) for y, name in zip(labels, names, strict=True)]


def test_json_is_a_list_of_what_a_net_reads(nets, tmp_path):
    writers.writer("nets.JSON")(nets, tmp_path / "nets.json")

    for fields, net in zip(json.loads((tmp_path / "nets.json").read_text()), nets, strict=True):
        (tmp_path / "net.json").write_text(json.dumps(fields))
        assert Net.from_json(tmp_path / "net.json") == net


def test_svg_shows_names_and_shapes_of_every_net(nets, tmp_path):
    writers.writer("nets.svg")(nets, tmp_path / "nets.svg")

    tree = xml.etree.ElementTree.parse(tmp_path / "nets.svg")
    assert [text.text for text in tree.iter(f"{SVG}text")] == ["a", "b<1>", "$c&", "net_3", "e[0]"]
    shapes = sum(len(net.wires) + len(net.vias) + len(net.pins) for net in nets)
    assert len(list(tree.iter(f"{SVG}title"))) == shapes


def test_the_pictures_of_an_svg_lie_side_by_side(nets, tmp_path):
    writers.write_svg(nets, tmp_path / "nets.svg")

    root = xml.etree.ElementTree.parse(tmp_path / "nets.svg").getroot()
    corners = [group.get("transform") for group in root.findall(f"{SVG}g")]
    assert len(set(corners)) == len(nets)
    x, y = np.array([c.removeprefix("translate(")[:-1].split() for c in corners], float).T
    assert (x + 32 * sheets.UNITS).max() <= float(root.get("width"))
    assert (y + 33.5 * sheets.UNITS).max() <= float(root.get("height"))


def test_layout_files_hold_every_net(nets, tmp_path):
    gdstk = pytest.importorskip("gdstk")
    for suffix in ("gds", "def"):
        writers.writer(f"nets.{suffix}")(nets, tmp_path / f"nets.{suffix}")

    names = ["a", "b<1>", "$c&", "net_3", "e[0]"]
    cells = gdstk.read_gds(tmp_path / "nets.gds").cells
    assert sorted(cell.name for cell in cells) == sorted(["TOP", *names])
    text = (tmp_path / "nets.def").read_text()
    assert all(f"- {name} (" in text for name in names)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_png_is_a_picture(nets, count, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    writers.writer("nets.png")(nets[:count], tmp_path / "nets.png")

    assert image.imread(tmp_path / "nets.png").ndim == 3


@pytest.mark.parametrize("path", ["nets", "nets.gif", "nets.gds.gz", ".png"])
def test_other_suffixes_are_refused(path):
    with pytest.raises(ValueError, match=r"\.gds, \.def, \.json, \.svg, \.png\. Received: path="):
        writers.writer(path)
