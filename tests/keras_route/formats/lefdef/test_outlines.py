"""Outlines of components lie where the DEF file places them."""

from small_chip import def_text, write_lefs

from keras_route.formats.lefdef.outlines import read_outlines


def test_outlines_have_the_size_of_the_cell_at_its_place(tmp_path):
    path = tmp_path / "placed.def"
    path.write_text(def_text())
    found = read_outlines(path, *write_lefs(tmp_path))
    assert found["u1"] == (3800, 2800, 4560, 5600)
    assert found["u2"] == (11400, 5600, 12160, 8400)
    assert len(found) == 3


def test_a_turned_cell_is_as_wide_as_it_was_high(tmp_path):
    path = tmp_path / "placed.def"
    path.write_text(def_text().replace("( 3800 2800 ) N", "( 3800 2800 ) E"))
    found = read_outlines(path, *write_lefs(tmp_path))
    assert found["u1"] == (3800, 2800, 6600, 3560)
