import pytest
from metal_by_klayout import differences
from placed_designs import CELLS, TECHNOLOGY

from keras_route.formats.lefdef import read_design

pytestmark = pytest.mark.check
VIA = "g + VIARULE r + CUTSIZE 100 100 + LAYERS m1 v1 m2 + CUTSPACING 50 60 + ENCLOSURE 10 20 30 40"
NETS = {
    "a wire": "+ ROUTED m1 ( 1000 1000 ) ( 2000 * )",
    "a point": "+ ROUTED m1 ( 1000 1000 )",
    "a square": "+ ROUTED m1 ( 1000 1000 ) ( * 1000 )",
    "a patch": "+ ROUTED m1 ( 1000 1000 ) RECT ( -50 -70 50 80 )",
    "stated reach": "+ ROUTED m1 ( 1000 1000 0 ) ( 2000 * 70 ) ( * 3000 10 ) up1",
    "through vias": "+ ROUTED m1 ( 1000 1000 ) ( 2000 * 0 ) up1 ( * 3000 10 ) up2 ( 4000 * )",
    "a turned via": "+ ROUTED m1 ( 1000 1000 ) up1 FW ( * 2000 ) MASK 2 up1 W ( 500 * )",
    "without metal": "+ ROUTED m1 ( 1000 1000 ) VIRTUAL ( 2000 * ) ( * 3000 ) up1",
    "a rule": "+ NONDEFAULTRULE wide + ROUTED m1 ( 9 9 ) ( 90 * ) NEW m1 TAPER ( 9 900 ) ( 90 * )",
    "a taper rule": "+ FIXED m1 TAPERRULE wide ( 900 900 ) ( 2000 * ) + ROUTED m2 ( 9 9 ) ( * 99 )",
    "an array": "+ ROUTED m1 ( 3000 3000 ) g",
}
SPECIAL = {
    "corners": "+ ROUTED m1 200 ( 1000 1000 ) ( 2000 * ) ( * 3000 ) NEW m2 100 ( 9 9 ) ( * 999 )",
    "an array": "+ FIXED m1 0 ( 5000 5000 ) up1 DO 3 BY 2 STEP 400 500",
    "shapes": "+ ROUTED m1 200 + SHAPE RING ( 1000 1000 30 ) ( 2000 * ) up1 ( * 3000 50 ) "
    "+ RECT m2 ( 1 1 ) ( 200 300 ) + VIA up1 FN ( 7000 7000 ) ( 8000 7500 ) "
    "+ POLYGON m2 ( 4 4 ) ( 50 4 ) ( 50 50 ) ( 45 50 ) ( 45 45 ) ( 4 45 )",
    "a shield": "+ SHIELD n m1 150 + SHAPE BLOCKWIRE ( 1000 1000 ) ( 2000 * )",
}
PATTERNS = ("", "+ PATTERN 2_F0_2_F8_1_14", "+ ORIGIN 10 20 + OFFSET 1 2 3 4 + PATTERN 5_R2F")


@pytest.fixture
def compare(tmp_path):
    """Return a function: where klayout finds other metal of a net and a special net."""
    lefs = (tmp_path / "tech.lef", tmp_path / "cells.lef")
    for path, text in zip(lefs, (TECHNOLOGY, CELLS), strict=True):
        path.write_text(text)

    def compare(net, special, pattern=""):
        (tmp_path / "d.def").write_text(
            "VERSION 5.8 ;\nDESIGN d ;\nUNITS DISTANCE MICRONS 1000 ;\nDIEAREA ( 0 0 ) ( 9 9 ) ;\n"
            f"VIAS 1 ;\n- {VIA} + ROWCOL 5 5 {pattern} ;\nEND VIAS\n"
            f"SPECIALNETS 1 ;\n- S {special} ;\nEND SPECIALNETS\n"
            f"NETS 1 ;\n- n {net} ;\nEND NETS\nEND DESIGN\n"
        )
        return differences(tmp_path / "d.def", *lefs, design=read_design(tmp_path / "d.def", *lefs))

    return compare


@pytest.mark.parametrize("name", NETS)
def test_wires_of_nets_are_those_that_klayout_draws(compare, name):
    assert compare(NETS[name], "") == {}


@pytest.mark.parametrize("name", SPECIAL)
def test_wires_of_special_nets_are_those_that_klayout_draws(compare, name):
    assert compare("", SPECIAL[name]) == {}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_generated_vias_are_those_that_klayout_draws(compare, pattern):
    assert compare(NETS["an array"], "", pattern) == {}


@pytest.mark.parametrize("pattern", ["2_F", "5", "x_F8", "4_F8_2_F8", "5_R", "_", "FFFF_F8"])
def test_a_pattern_has_the_bits_of_each_row(compare, pattern):
    with pytest.raises(ValueError, match="PATTERN has the bits of each row"):
        compare("", "", f"+ PATTERN {pattern}")


@pytest.mark.parametrize(
    ("net", "complaint"),
    [
        ("+ ROUTED m1 ( 0 0 ) ( 9 9 )", "slanted"),
        ("+ ROUTED m1 ( 0 0", "A point of a wire"),
        ("+ ROUTED m1 up1", "starts with a point"),
        ("+ ROUTED m1 ( * 0 ) ( 9 * )", "has two numbers"),
        ("+ ROUTED m1 RECT ( 0 0 9 9 )", "behind a point"),
        ("+ ROUTED v1 ( 0 0 ) ( 9 * )", "run on routing layers"),
        ("+ ROUTED m1 TAPERRULE thin ( 0 0 ) ( 9 * )", "rule 'thin'"),
        ("+ ROUTED m1 ( 0 0 ) up1 DO 9999 BY 9999 STEP 1 1", "An array has"),
        ("+ ROUTED m1 ( 0 0 ) up1 DO 1", "An array of vias is DO"),
    ],
)
def test_what_is_wrong_with_a_wire_is_said(compare, net, complaint):
    with pytest.raises(ValueError, match=f"{complaint}.*of net n|{complaint}.*- n"):
        compare(net, "")


def test_a_shape_of_a_via_names_its_layer(compare, monkeypatch):
    monkeypatch.setitem(globals(), "VIA", "g + RECT")
    with pytest.raises(ValueError, match=r"A \+ RECT of a via must name a layer"):
        compare(NETS["a wire"], "")
