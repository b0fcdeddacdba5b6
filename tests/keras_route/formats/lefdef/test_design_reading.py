import numpy as np
import pytest
from metal_by_klayout import differences
from placed_designs import CELLS, TECHNOLOGY, random_design

from keras_route.formats.lefdef import read_design
from keras_route.layout.design import NO_NET, Tracks

pytestmark = pytest.mark.check


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the text of a DEF file, with the small library."""
    (tmp_path / "tech.lef").write_text(TECHNOLOGY)
    (tmp_path / "cells.lef").write_text(CELLS)

    def read(text, name="d.def"):
        (tmp_path / name).write_text(text)
        return read_design(tmp_path / name, tmp_path / "tech.lef", tmp_path / "cells.lef")

    return read


def text(nets="- n ( u A ) ( v A ) ;", count=1, more="", place="( 1000 2000 ) FS"):
    return (
        "DESIGN d ;\nUNITS DISTANCE MICRONS 1000 ;\nDIEAREA ( 0 0 ) ( 9000 9000 ) ;\n"
        f"COMPONENTS 2 ;\n- u INV + PLACED {place} ;\n- v INV + FIXED ( 4000 2000 ) N ;\n"
        f"END COMPONENTS\n{more}NETS {count} ;\n{nets}\nEND NETS\nEND DESIGN\n"
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_metal_of_a_design_is_that_which_klayout_reads(read, tmp_path, seed):
    wires = " + FIXED m1 ( 500 500 ) ( 700 * ) up1 ( * 900 ) up2 RECT ( -9 -9 200 9 )"
    design = read(random_design(np.random.default_rng(seed), earlier=wires))
    lefs = (tmp_path / "tech.lef", tmp_path / "cells.lef")
    assert differences(tmp_path / "d.def", *lefs, design=design) == {}


def test_pins_of_nets_have_their_own_shapes(read):
    design = read(text())
    shapes = design.shapes
    boxes = {
        (pin, *design.technology.layer_names[layer : layer + 1]): box.tolist()
        for layer, box, net, pin in zip(
            shapes.layer, shapes.box, shapes.net, shapes.pin, strict=True
        )
        if net == 0 and pin == 1 and box[0] == 4200 and box[3] == 2700 and box[2] == 4300
    }
    assert design.nets == {"n": (("u", "A"), ("v", "A"))}
    assert boxes == {(1, "m1"): [4200, 2300, 4300, 2700]}
    assert np.bincount(shapes.pin[shapes.net == 0] + 1).tolist() == [0, 2, 2]


def test_what_belongs_to_no_net_is_in_the_way(read):
    design = read(text("- n ( u A ) ( v A ) + USE POWER ;"))
    assert design.nets == {}
    assert (design.shapes.net == NO_NET).all()
    assert (design.shapes.pin == -1).all()
    assert len(design.shapes) == len(read(text()).shapes)


def test_tracks_heads_and_layers_are_read(read):
    design = read(random_design(np.random.default_rng(0)))
    assert (design.name, design.dbu_per_um, design.die) == ("d", 1000, (0, 0, 18000, 9000))
    assert design.tracks[:2] == (Tracks(True, 100, 30, 200, "m1"), Tracks(True, 100, 30, 200, "m2"))
    assert [via.name for via in design.technology.vias] == ["up1", "up2", "up2_double", "pair"]
    assert not design.technology.vias[-1].default


def test_outside_of_a_die_with_corners_all_metals_are_blocked(read):
    die = "( 0 0 ) ( 0 9000 ) ( 9000 9000 ) ( 9000 8000 ) ( 6000 8000 ) ( 6000 0 )"
    design = read(text().replace("( 0 0 ) ( 9000 9000 )", die))
    blocked = design.shapes.box[design.shapes.layer == 4].tolist()
    assert blocked == [[6000, 0, 9000, 8000]]


def test_more_metal_of_a_pin_belongs_to_it(read):
    pins = "PINS 2 ;\n" + "".join(
        f"- {name} + NET n + LAYER m3 ( 0 0 ) ( 100 100 ) + PLACED ( {x} 0 ) N ;\n"
        for name, x in (("p", 0), ("p.extra1", 500))
    )
    nets = "- n ( PIN p ) ( u A ) ;"
    shapes = read(text(nets, more=pins + "END PINS\n")).shapes
    assert shapes.box[(shapes.layer == 4) & (shapes.pin == 0)][:, 0].tolist() == [0, 500]


def test_rules_that_a_design_does_not_hold_are_told(read):
    unread = read(text("- n ( u A ) ( v A ) + NONDEFAULTRULE wide ;")).technology.unread
    assert "m1 SPACING ENDOFLINE" in unread
    assert "m1 PROPERTY LEF58_SPACING" in unread
    assert "m3 MINENCLOSEDAREA" in unread
    assert "NETS NONDEFAULTRULE" in unread


PIN = "PINS 1 ;\n- p + NET {net} + LAYER m1 ( 0 0 ) ( 9 9 ) + PLACED ( {x} 0 ) {turn} ;\nEND PINS\n"
WRONG = {
    "a net twice": (text("- n ( u A ) ;\n- n ( v A ) ;", 2), "net n for the second time"),
    "a pin in two nets": (text("- n ( u A ) ;\n- m ( u A ) ;", 2), r"\( u A \) of net m, which"),
    "a component twice": (text().replace("- v", "- u"), "component u for the second time"),
    "an unknown cell": (text().replace("v INV", "v NOR"), "component v of cell NOR"),
    "an unknown pin": (text().replace("v A", "v B"), r"net n with \( v B \)"),
    "no place": (text(place="( 1 1 ) N").replace("+ PLACED ( 1 1 ) N", ""), r"with \( u A \)"),
    "another turn": (text(place="( 1 1 ) R90"), "write W for R90.*'R90'"),
    "an odd turn": (text(place="( 1 1 ) Q"), "is one of N, W, S.*'Q'"),
    "outside": (text(place="( 20000 0 ) N"), "lie in the die.*u A"),
    "the pin states another": (
        text("- n ( u A ) ( PIN p ) ;", more=PIN.format(net="m", x=0, turn="N")),
        "pin p with net m",
    ),
    "the net lists another": (
        text(more=PIN.format(net="n", x=0, turn="N")),
        "pin p with net n",
    ),
    "a pin outside": (
        text("- n ( PIN p ) ;", more=PIN.format(net="n", x=-5000, turn="N")),
        "lie in the die.*PIN p",
    ),
    "no such pin": (text("- n ( PIN q ) ;"), "PIN q.*no such pin"),
    "an unknown layer": (
        text("- n ( u A ) ( v A ) + ROUTED m9 ( 0 0 ) ( 9 * ) ;"),
        "layer m9 of net n",
    ),
    "an unknown via": (text("- n ( u A ) + ROUTED m1 ( 0 0 ) upp ;"), "via upp of - n"),
    "a via elsewhere": (text("- n ( u A ) + ROUTED m1 ( 0 0 ) up2 ;"), "via up2 on m1 of net n"),
    "an unknown option": (text("- n ( u A ) + ROUTD m1 ;"), r"\+ ROUTD m1 of net n"),
    "a slanted wire": (text("- n + ROUTED m1 ( 0 0 ) ( 9 9 ) ;"), "a slanted one is not read"),
    "a long number": (text(place=f"( {'9' * 400} 0 ) N"), "whole number of database units"),
    "a fraction": (text(place="( 0.5 0 ) N"), "whole number of database units.*'0.5'"),
    "coarse units": (text().replace("MICRONS 1000", "MICRONS 3"), "finer units"),
    "no pin": (text("- n ( u ) ;"), r"is \( component pin \)"),
    "any component": (text("- n ( * A ) ;"), r"is \( component pin \)"),
    "tracks": (text(more="TRACKS X 0 DO 0 STEP 5 ;\n"), "more than 0"),
    "half a track": (text(more="TRACKS X 0 DO ;\n"), "Tracks are TRACKS"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line(read, name):
    wrong, complaint = WRONG[name]
    with pytest.raises(ValueError, match=complaint) as error:
        read(wrong)
    assert "Received: path=" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", range(60))
def test_a_changed_file_is_read_rightly_or_refused(read, seed):
    rng = np.random.default_rng(seed)
    original = random_design(np.random.default_rng(1), components=3)
    words = original.split(" ")
    i, j = rng.integers(0, len(words), 2)
    if seed % 3 == 0:
        del words[i]
    elif seed % 3 == 1:
        words[i] = words[j]
    else:
        words[i] = words[i][1:] + "#"
    try:
        design = read(" ".join(words))
    except ValueError as error:
        assert "Received: " in str(error)
        assert "\n" not in str(error)
    else:
        assert len(design.nets) == 3  # no count tells that a net has another name


def test_cells_are_drawn_without_a_loop_over_shapes(read):
    # 400 components are read within the time of a few: a bound on calls, not on seconds.
    count = 400
    placed = "".join(f"- c{k} INV + PLACED ( {k} 0 ) N ;\n" for k in range(count))
    many = text().replace("COMPONENTS 2 ;\n", f"COMPONENTS {count + 2} ;\n{placed}")
    shapes = read(many).shapes
    assert len(shapes) == len(read(text()).shapes) // 2 * (count + 2)
