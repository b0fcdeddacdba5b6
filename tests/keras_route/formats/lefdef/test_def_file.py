import numpy as np
import pytest
from placed_designs import CELLS, random_design

from keras_route.formats.lefdef import read_def

pytestmark = pytest.mark.check
TEXT = random_design(np.random.default_rng(3), components=2)


@pytest.fixture
def read(tmp_path):
    (tmp_path / "cells.lef").write_text(CELLS)

    def read(text):
        (tmp_path / "d.def").write_text(text)
        return read_def(tmp_path / "d.def", tmp_path / "cells.lef")

    return read


def test_a_file_that_is_cut_at_any_line_is_refused(read):
    lines = TEXT.splitlines(keepends=True)
    for count in range(len(lines)):
        with pytest.raises(ValueError, match="Received: path="):
            read("".join(lines[:count]))
    assert list(read(TEXT).nets) == ["n0", "n1", "n2"]


def test_a_cut_section_is_named_with_both_counts(read):
    with pytest.raises(ValueError, match="copy the file again.*NETS 3, 1 items, and then the end"):
        read(TEXT[: TEXT.index("- n1")])


def test_extensions_are_left_out(read):
    more = 'BEGINEXT "tag"\n- NETS 7 ; END x ;\nENDEXT\nEND DESIGN'
    assert read(TEXT.replace("END DESIGN", more)).die_um == (0, 0, 6, 9)


WRONG = {
    "a count": ("NETS 3", "NETS 4", "NETS 4, and 3 items"),
    "no count": ("NETS 3", "NETS x", "name and the number of its items"),
    "another end": ("END NETS", "END PINS", "here with END NETS.*END PINS"),
    "no end": ("END DESIGN", "", "complete up to END DESIGN.*NETS, and then the end"),
    "behind the end": ("END DESIGN", "END DESIGN NETS 0 ;", "remove what follows"),
    "a section twice": ("END DESIGN", "NETS 0 ;\nEND NETS\nEND DESIGN", "is there once"),
    "a head twice": ("PINS 2", "UNITS DISTANCE MICRONS 10 ;\nPINS 2", "UNITS is there once"),
    "an unknown head": ("TRACKS X", "TRACKZ X", "'TRACKZ'"),
    "an item without dash": ("- n1", "n1", "start with a dash"),
    "no name": ("DESIGN d ;", "DESIGN ;", "the name of the design is missing"),
    "no die": ("DIEAREA", "HISTORY", "which states DESIGN, UNITS"),
    "a die of a point": ("( 6000 9000 )", "( 0 0 )", "has an area"),
    "an empty die": ("( 0 0 ) ( 6000 9000 )", "", "has an area"),
    "a die of fractions": ("( 6000 9000 )", "( 6000.5 9000 )", "whole number.*'6000.5'"),
    "units of 0": ("MICRONS 1000", "MICRONS 0", "from 1 to"),
    "negative units": ("MICRONS 1000", "MICRONS -1000", "from 1 to"),
    "long units": ("MICRONS 1000", "MICRONS " + "9" * 400, "from 1 to"),
    "units in words": ("MICRONS 1000", "MICRONS many", "from 1 to"),
    "units of nothing": ("DISTANCE MICRONS 1000", "", "UNITS DISTANCE MICRONS"),
    "no design": (TEXT, "\x00 no design", "which states none"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line(read, name):
    old, new, complaint = WRONG[name]
    assert old in TEXT
    with pytest.raises(ValueError, match=complaint) as error:
        read(TEXT.replace(old, new, 1))
    assert "\n" not in str(error.value)
