import itertools
import sys

import numpy as np
import pytest

from keras_route.data.random_nets import draw_net, generate
from keras_route.formats import gds
from keras_route.formats.nanometres import centre_nm
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.technology.layers import PIN_VIA, VIAS

pytestmark = pytest.mark.check

PINS = [(26, 3), (5, 12), (31, 25)]


@pytest.fixture
def net():
    return Net.from_labels(draw_net(PINS), PINS)


def overlap(a, b):
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def joins(one, other):
    """Whether shapes of two layers join where they overlap."""
    return one == other or any(
        {one, other} == {via.name, metal}
        for via in (PIN_VIA, *VIAS.values())
        for metal in (via.below, via.above)
    )


def pieces(rectangles):
    """Return how many pieces the rectangles form."""
    joined = []
    for layer, box in rectangles:
        touched = [
            piece
            for piece in joined
            if any(joins(layer, name) and overlap(box, other) for name, other in piece)
        ]
        joined = [piece for piece in joined if piece not in touched]
        joined.append([(layer, box), *itertools.chain(*touched)])
    return len(joined)


def test_every_pin_has_its_stack_of_vias(net):
    boxes = gds.rectangles(net)
    for pin in PINS:
        point = centre_nm(net, *pin) * 2
        there = {layer for layer, box in boxes if overlap(box, point)}
        assert there == {"m2", "via2", "m3", "via3", "m4", "via4", "m5"}


def test_cuts_are_enclosed_by_both_metals(net):
    boxes = set(gds.rectangles(net))
    cuts = net.cuts()
    assert len(cuts) == 3 * 3 + 3
    for via, x, y in cuts:
        across, up = centre_nm(net, x, y)
        cut = (via.name, (across - 15, up - 15, across + 15, up + 15))
        metal = (across - 20, up - 20, across + 20, up + 20)
        assert {cut, (via.below, metal), (via.above, metal)} <= boxes


def test_a_legal_net_is_one_piece_of_metal_and_a_cut_one_is_two(net):
    assert pieces(gds.rectangles(net)) == 1
    labels = net.to_labels()
    labels[13, 15, 7] = 0
    assert pieces(gds.rectangles(Net.from_labels(labels, PINS))) == 2


def test_the_layout_is_one_piece_where_the_check_finds_nothing():
    for labels in generate(60, seed=3)[1]:
        net = Net.from_labels(labels)
        assert check(net) == []
        assert pieces(gds.rectangles(net)) == 1


def test_the_file_holds_the_rectangles(net, tmp_path):
    gdstk = pytest.importorskip("gdstk")
    gds.write_gds([net], tmp_path / "net.gds")
    library = gdstk.read_gds(tmp_path / "net.gds")
    (top,) = library.top_level()
    assert top.name == "TOP"
    found = {
        (p.layer, *np.rint(np.array(p.bounding_box()).ravel() * 1000).astype(int))
        for p in top.get_polygons()
    }
    assert found == {(gds.GDS_LAYERS[name][0], *box) for name, box in gds.rectangles(net)}
    assert [(label.text, label.layer) for label in top.get_labels()] == [("net_0", 2)]


def test_nets_are_placed_at_their_origins(net, tmp_path):
    gdstk = pytest.importorskip("gdstk")
    gds.write_gds([net, net], tmp_path / "a.gds", origins=[(0, 0), (100, -50)])
    (top,) = gdstk.read_gds(tmp_path / "a.gds").top_level()
    assert [reference.origin for reference in top.references] == [(0, 0), (100, -50)]


def test_the_same_nets_give_the_same_bytes(net, tmp_path):
    pytest.importorskip("gdstk")
    for name in "ab":
        gds.write_gds([net], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_cannot_be_written_leaves_no_file(net, tmp_path):
    pytest.importorskip("gdstk")
    with pytest.raises(ValueError, match="must lie inside its window"):
        gds.write_gds([Net(((99, 0),), (), ())], tmp_path / "net.gds")
    with pytest.raises(FileNotFoundError):
        gds.write_gds([net], tmp_path / "nowhere" / "net.gds")
    assert not list(tmp_path.iterdir())


def test_without_gdstk_the_way_out_is_named(net, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdstk", None)
    with pytest.raises(ImportError, match="pip install gdstk"):
        gds.write_gds([net], tmp_path / "net.gds")


def extracted(db, path):
    """Return how many nets KLayout extracts, and how many spaces below 40 nm it finds."""
    drawing = db.Layout()
    drawing.read(str(path))
    top = drawing.top_cell()
    top.flatten(True)
    netlist = db.LayoutToNetlist(db.RecursiveShapeIterator(drawing, top, []))
    layers = {
        name: netlist.make_layer(drawing.layer(*number), name)
        for name, number in gds.GDS_LAYERS.items()
    }
    for layer in layers.values():
        netlist.connect(layer)
    for via in (PIN_VIA, *VIAS.values()):
        netlist.connect(layers[via.below], layers[via.name])
        netlist.connect(layers[via.name], layers[via.above])
    netlist.extract_netlist()
    (circuit,) = netlist.netlist().each_circuit()
    violations = sum(layer.merged().space_check(40).count() for layer in layers.values())
    return len(list(circuit.each_net())), violations


def test_klayout_extracts_one_net_and_finds_no_spacing_violation(net, tmp_path):
    pytest.importorskip("gdstk")
    db = pytest.importorskip("klayout.db")
    gds.write_gds([net], tmp_path / "net.gds")
    assert extracted(db, tmp_path / "net.gds") == (1, 0)
    labels = net.to_labels()
    labels[13, 15, 7] = 0
    gds.write_gds([Net.from_labels(labels, PINS)], tmp_path / "open.gds")
    assert extracted(db, tmp_path / "open.gds") == (2, 0)


def test_klayout_extracts_each_of_many_nets(tmp_path):
    pytest.importorskip("gdstk")
    db = pytest.importorskip("klayout.db")
    nets = [Net.from_labels(labels) for labels in generate(30, seed=5)[1]]
    gds.write_gds(nets, tmp_path / "nets.gds")
    assert extracted(db, tmp_path / "nets.gds") == (30, 0)
