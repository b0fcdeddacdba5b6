import dataclasses

import pytest
from placed_designs import CELLS, TECHNOLOGY

from keras_route.formats.lefdef import read_technology
from keras_route.technology.technology import CutLayer, SpacingTable

pytestmark = pytest.mark.check


def read(tmp_path, *texts):
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.lef").write_text(text)
    return read_technology(*(tmp_path / f"{i}.lef" for i in range(len(texts))))


def test_layers_rules_and_vias_are_read(tmp_path):
    technology = read(tmp_path, TECHNOLOGY)
    m1, m2, m3 = technology.metals
    assert technology.layer_names == ("m1", "v1", "m2", "v2", "m3")
    assert [(m.horizontal, m.pitch_um, m.width_um) for m in (m1, m2, m3)] == [
        (True, 0.3, 0.1),  # across its wires, y
        (False, 0.2, 0.1),
        (True, 0.4, 0.2),
    ]
    assert (m1.spacing, m1.ohm_per_um, m1.area_um2) == (SpacingTable.uniform(0.08), 4.0, 0.02)
    assert m2.spacing == SpacingTable((0.0, 0.3), (0.0, 0.5), ((0.1, 0.1), (0.1, 0.2)))
    assert technology.cuts == (CutLayer("v1", 0.11, 0.1, 6.0), CutLayer("v2", 0.0, 0.0, 0.0))
    assert technology.grid_um == 0.01
    assert technology.vias[0].boxes_um == {
        "m1": ((-0.06, -0.05, 0.06, 0.05),),
        "v1": ((-0.05, -0.05, 0.05, 0.05),),
        "m2": ((-0.05, -0.08, 0.05, 0.06),),
    }
    assert [via.default for via in technology.vias] == [True, True, False]
    assert technology.vias[2].boxes_um["v2"] == (
        (-0.15, -0.05, -0.05, 0.05),
        (0.05, -0.05, 0.15, 0.05),
    )
    assert technology.vias[2].boxes_um["m3"] == ((-0.19, -0.11, 0.19, 0.11),)


def test_rules_that_are_not_read_are_told(tmp_path):
    assert read(tmp_path, TECHNOLOGY).unread == (
        "m1 SPACING ENDOFLINE",
        "m1 PROPERTY LEF58_SPACING",
        "m3 MINENCLOSEDAREA",
        "NONDEFAULTRULE",
    )


def test_cells_may_stand_in_other_files(tmp_path):
    alone = read(tmp_path, TECHNOLOGY)
    assert read(tmp_path, CELLS, TECHNOLOGY) == alone
    assert dataclasses.replace(alone, unread=()).unread == ()


WRONG = {
    "no layers": (CELLS, "", "", "give the LEF file of the technology"),
    "a layer twice": (
        "",
        "END LIBRARY",
        "LAYER m1\nTYPE CUT ;\nEND m1\nEND LIBRARY",
        "layer m1 for",
    ),
    "no type": ("", "  TYPE MASTERSLICE ;\n", "", "states its TYPE.*LAYER poly"),
    "another type": ("", "TYPE OVERLAP", "TYPE FOO", "is ROUTING, CUT"),
    "a slanted direction": ("", "DIRECTION VERTICAL", "DIRECTION DIAG45", "HORIZONTAL or VERTICAL"),
    "no pitch": ("", "  PITCH 0.4 ;\n", "", "states its PITCH.*LAYER m3"),
    "no width": ("", "WIDTH 0.2 ;", "WIDTH 0 ;", "more than 0.*LAYER m3"),
    "no spacing": ("", "  SPACING 0.2 ;\n", "", "has a SPACING.*LAYER m3"),
    "a table": ("", "WIDTH 0.3 0.1 0.2", "WIDTH 0.3 0.1", "a space for each length"),
    "no cuts": ("", "LAYER v2\n  TYPE CUT ;\nEND v2\n", "", "one layer of cuts.*none between m2"),
    "a via's layer": ("", "LAYER v2 ;", "LAYER v9 ;", "via up2 with layer v9"),
    "a via of two layers": ("", "LAYER v2 ;", "LAYER m2 ;", "metal, cuts, and metal.*via up2"),
    "half a via": ("", "  CUTSPACING 0.1 0.1 ;\n", "", "wrong or missing CUTSPACING"),
    "a number": ("", "PITCH 0.4", "PITCH 0.x4", "is a decimal.*'0.x4'.*"),
    "a long number": ("", "PITCH 0.4", "PITCH 1" + "0" * 400, "is a decimal"),
    "nan": ("", "PITCH 0.4", "PITCH nan", "is a decimal"),
    "the end": ("", "END LIBRARY\n", "", "lacks END LIBRARY"),
    "an end": ("", "END m3\n", "", "LAYER m3 ends with END m3.*END OVERLAP"),
    "behind the end": ("", "END LIBRARY", "END LIBRARY FOO", "remove what follows"),
    "the grid": ("", "GRID 0.01", "GRID 0", "grid is more than 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path, name):
    text, old, new, complaint = WRONG[name]
    with pytest.raises(ValueError, match=complaint) as error:
        read(tmp_path, (text or TECHNOLOGY).replace(old, new, 1))
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_is_refused(tmp_path):
    lines = TECHNOLOGY.splitlines(keepends=True)
    for count in range(1, len(lines)):
        with pytest.raises(ValueError, match="Received: "):
            read(tmp_path, "".join(lines[:count]))
