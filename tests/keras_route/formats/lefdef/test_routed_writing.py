import dataclasses
import gzip

import numpy as np
import pytest
from metal_by_klayout import by_klayout, differences, of_design
from placed_designs import CELLS, TECHNOLOGY, random_design, random_wires

from keras_route.formats.lefdef import read_design, read_wires, write_routed
from keras_route.layout.design import Wires

pytestmark = pytest.mark.check
NOTHING = Wires(np.zeros((0, 6), int), np.zeros((0, 4), int))


@pytest.fixture
def lefs(tmp_path):
    (tmp_path / "tech.lef").write_text(TECHNOLOGY)
    (tmp_path / "cells.lef").write_text(CELLS)
    return tmp_path / "tech.lef", tmp_path / "cells.lef"


@pytest.fixture
def placed(tmp_path):
    """Return a function that writes a random design."""

    def placed(seed, **options):
        path = tmp_path / "placed.def"
        path.write_text(random_design(np.random.default_rng(seed), 3, **options))
        return path

    return placed


def boxes_of(wires, design):
    """Return (layer, box, net) of all metal of wires, as a set."""
    technology, found = design.technology, set()
    order = technology.layer_names.index
    for net, metal, x0, y0, x1, y1 in wires.wires.tolist():
        half = round(technology.metals[metal].width_um * design.dbu_per_um) // 2
        found.add((2 * metal, x0 - half, y0 - half, x1 + half, y1 + half, net))
    for net, via, x, y in wires.vias.tolist():
        for layer, boxes in technology.vias[via].boxes_um.items():
            for box in np.rint(np.array(boxes) * design.dbu_per_um).astype(int).tolist():
                moved = np.add(box, (x, y, x, y)).tolist()
                found.add((order(layer), *moved, net))
    return found


def rows(shapes):
    return sorted(
        zip(
            shapes.layer.tolist(),
            map(tuple, shapes.box.tolist()),
            shapes.net.tolist(),
            shapes.pin.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("seed", range(6))
def test_what_is_written_is_the_design_and_its_wires(tmp_path, lefs, placed, seed):
    path, routed = placed(seed), tmp_path / "routed.def"
    design = read_design(path, *lefs)
    wires = random_wires(np.random.default_rng(seed))
    write_routed(path, routed, wires, design)

    found = read_wires(routed, *lefs)
    np.testing.assert_array_equal(found.wires, wires.wires)
    np.testing.assert_array_equal(found.vias, wires.vias)

    again = read_design(routed, *lefs)
    assert dataclasses.replace(again, shapes=None) == dataclasses.replace(design, shapes=None)
    before, after = set(rows(design.shapes)), set(rows(again.shapes))
    more = {(layer, *box, net) for layer, box, net, pin in after - before if pin == -1}
    assert before <= after
    assert more == boxes_of(wires, design) - {(layer, *box, net) for layer, box, net, _ in before}
    assert differences(routed, *lefs, design=again) == {}


def test_klayout_finds_the_metal_of_the_wires(tmp_path, lefs, placed):
    db = pytest.importorskip("klayout.db")
    path, routed = placed(2), tmp_path / "routed.def"
    design = read_design(path, *lefs)
    wires = random_wires(np.random.default_rng(2))
    write_routed(path, routed, wires, design)
    klayout, shapes = by_klayout(routed, *lefs), of_design(design)
    for i, name in enumerate(design.technology.layer_names):
        boxes = [row[1:5] for row in boxes_of(wires, design) if row[0] == i]
        metal = shapes[name] + db.Region([db.Box(*box) for box in boxes])
        assert (metal ^ klayout[name]).is_empty(), name


def test_all_but_the_routed_nets_stays_to_the_byte(tmp_path, lefs, placed):
    path, routed = placed(0), tmp_path / "routed.def"
    odd = '# \xe9 ; "\r\n'.encode("latin-1")
    text = path.read_bytes().replace(b"NETS 3 ;", b"NETS 3 ; " + odd).replace(b"\n", b"\r\n")
    path.write_bytes(text.replace(b"+ USE CLOCK", b'+ PROPERTY note "a ; b" + USE CLOCK # +\r\n'))
    design = read_design(path, *lefs)
    one = Wires(np.array([(1, 0, 100, 100, 500, 100)]), np.array([(1, 0, 500, 100)]))
    write_routed(path, routed, one, design)
    old, new = path.read_bytes(), routed.read_bytes()
    place = old.index(b" ;", old.index(b"USE CLOCK"))
    wires = b"\r\n      + ROUTED m1 ( 100 100 ) ( 500 * )\r\n      NEW m1 ( 500 100 ) up1"
    assert new.replace(wires, b"") == old[:place].rstrip() + old[place:]

    write_routed(path, routed, NOTHING, design)
    assert routed.read_bytes() == old


def test_earlier_wires_are_replaced_and_fixed_ones_stay(tmp_path, lefs, placed):
    earlier = " + ROUTED m1 ( 9 9 ) ( 90 * ) NEW m1 ( 90 9 ) up1 + FIXED m3 ( 0 0 ) ( 500 * )"
    path, routed = placed(0, earlier=f"{earlier} + WEIGHT 3"), tmp_path / "routed.def"
    design = read_design(path, *lefs)
    write_routed(path, routed, random_wires(np.random.default_rng(0), nets=1, count=1), design)
    net = next(line for line in routed.read_text().split(";") if line.startswith("\n- n0"))
    assert net.count("ROUTED") == 1
    assert "( 9 9 )" not in net
    assert "+ FIXED m3 ( 0 0 ) ( 500 * ) + WEIGHT 3\n      + ROUTED" in net


def test_wires_keep_their_width_under_another_rule(tmp_path, lefs, placed):
    path, routed = placed(0, earlier=" + NONDEFAULTRULE wide"), tmp_path / "routed.def"
    wires = random_wires(np.random.default_rng(0), nets=1)
    write_routed(path, routed, wires, read_design(path, *lefs))
    np.testing.assert_array_equal(read_wires(routed, *lefs).wires, wires.wires)


def test_a_name_that_ends_in_gz_is_compressed(tmp_path, lefs, placed):
    path = placed(0)
    design, wires = read_design(path, *lefs), random_wires(np.random.default_rng(0))
    for name in ("a.def", "a.def.gz", "b.def.gz"):
        write_routed(path, tmp_path / name, wires, design)
    packed = (tmp_path / "a.def.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "a.def").read_bytes()
    assert packed == (tmp_path / "b.def.gz").read_bytes()


WIRE, VIA = (0, 0, 100, 100, 500, 100), (0, 0, 100, 100)


@pytest.mark.parametrize(
    ("wires", "complaint"),
    [
        (Wires(np.array([(3, *WIRE[1:])]), NOTHING.vias), "A wire has a net and a metal.*row 0"),
        (Wires(np.array([WIRE, (0, 3, *WIRE[2:])]), NOTHING.vias), "row 1"),
        (Wires(np.array([(0, 0, 500, 100, 100, 100)]), NOTHING.vias), "to the right or up"),
        (Wires(np.array([(0, 0, 100, 100, 500, 200)]), NOTHING.vias), "to the right or up"),
        (Wires(NOTHING.wires, np.array([(0, 4, 1, 1)])), "A via has a net"),
        (Wires(NOTHING.wires, np.array([(-1, 0, 1, 1)])), "A via has a net"),
        (Wires(np.array([VIA]), NOTHING.vias), "`wires` is an array of integers with 6 columns"),
        (Wires(NOTHING.wires, np.array([VIA], float)), "`vias` is an array of integers"),
    ],
)
def test_wires_of_another_design_leave_no_file(tmp_path, lefs, placed, wires, complaint):
    path = placed(0)
    with pytest.raises(ValueError, match=complaint):
        write_routed(path, tmp_path / "routed.def", wires, read_design(path, *lefs))
    assert not (tmp_path / "routed.def").exists()


def test_another_file_is_refused(tmp_path, lefs, placed):
    design = read_design(placed(0), *lefs)
    other = tmp_path / "other.def"
    other.write_text(placed(0).read_text().replace("- n2", "- n3"))
    with pytest.raises(ValueError, match="the file that the design was read from"):
        write_routed(other, tmp_path / "routed.def", NOTHING, design)


def test_metal_that_wires_cannot_hold_is_named(lefs, placed):
    path = placed(0, earlier=" + ROUTED m1 ( 9 9 0 ) ( 90 * )")
    with pytest.raises(ValueError, match=r"m1 \( 9 9 \) \( 90 9 \) of net n0"):
        read_wires(path, *lefs)
