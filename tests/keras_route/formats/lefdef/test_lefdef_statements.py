import gzip
import time

import pytest
from placed_designs import TECHNOLOGY

from keras_route.formats.lefdef import read_def, read_technology
from keras_route.formats.lefdef.statements import read_source, statements

pytestmark = pytest.mark.check


def words(tmp_path, text):
    (tmp_path / "file").write_bytes(text.encode())
    return [s.words for s in statements(read_source(tmp_path / "file"))]


def test_statements_end_at_semicolons_outside_of_quotes_and_comments(tmp_path):
    text = 'A b ;\r\n# ; "\nC "x ; # y" d#e f;G # "\n h'
    assert words(tmp_path, text) == [["A", "b"], ["C", '"_______"', "d#e", "f"], ["G", "h"]]


def test_a_quote_over_several_lines_keeps_the_number_of_the_line(tmp_path):
    (tmp_path / "a.lef").write_text('VERSION "5\n8" ;\n# "\nFOO ;\n')
    with pytest.raises(ValueError, match="line 4: 'FOO'"):
        read_technology(tmp_path / "a.lef")


def test_files_may_be_compressed(tmp_path):
    (tmp_path / "a.lef.gz").write_bytes(gzip.compress(TECHNOLOGY.encode()))
    (tmp_path / "a.lef").write_text(TECHNOLOGY)
    assert read_technology(tmp_path / "a.lef.gz") == read_technology(tmp_path / "a.lef")


@pytest.mark.parametrize("damage", [lambda data: data[:99], lambda data: b"x" + data])
def test_a_damaged_archive_is_named(tmp_path, damage):
    (tmp_path / "a.lef.gz").write_bytes(damage(gzip.compress(TECHNOLOGY.encode())))
    with pytest.raises(ValueError, match="compressed by gzip, and whole.*lef.gz"):
        read_technology(tmp_path / "a.lef.gz")


LONG = {
    "blank lines": TECHNOLOGY.replace("END LIBRARY", "\n" * 100_000 + "END LIBRARY"),
    "comments": TECHNOLOGY.replace("END LIBRARY", '# "\n' * 100_000 + "END LIBRARY"),
    "macros": "MACRO a\n" * 20_000,
    "nested": "MACRO a PIN b PORT " * 20_000,
    "ends": "END " * 500_000,
    "quotes": 'VERSION "' * 100_001,
    "signs": "# # " * 100_000,
    "parentheses": "DESIGN a ;\nNETS 1 ;\n- a " + "( " * 500_000,
    "vias": "DESIGN a ;\nVIAS 1 ;\n- a " + "+ RECT m1 " * 100_000,
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("read", [read_def, read_technology])
def test_time_grows_with_the_length_of_a_file_only(tmp_path, name, read):
    (tmp_path / "file").write_text(LONG[name])
    start = time.process_time()
    try:
        read(tmp_path / "file")
    except ValueError as error:
        assert len(str(error)) < 600
    assert time.process_time() - start < 1.5
