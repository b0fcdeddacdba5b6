import numpy as np
import pytest
from placed_designs import CELLS, TECHNOLOGY, random_design

from keras_route.formats.lefdef import Guide, read_design, read_guides, write_guides

pytestmark = pytest.mark.check
TEXT = "n0\n(\n0 0 4200 4200 m1\n0 0 4200 8400 m2\n)\nn2\n(\n)\n"
GUIDES = {"n0": (Guide("m1", (0, 0, 4200, 4200)), Guide("m2", (0, 0, 4200, 8400))), "n2": ()}


@pytest.fixture
def design(tmp_path):
    texts = {"t.lef": TECHNOLOGY, "c.lef": CELLS, "d.def": random_design(np.random.default_rng(0))}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return read_design(tmp_path / "d.def", tmp_path / "t.lef", tmp_path / "c.lef")


def test_guides_are_read_and_written(tmp_path, design):
    (tmp_path / "a.guide").write_text(TEXT)
    assert read_guides(tmp_path / "a.guide", design) == GUIDES
    write_guides(GUIDES, tmp_path / "b.guide", design)
    assert (tmp_path / "b.guide").read_text() == TEXT


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("n2\n", "n9\n", "line 6: 'n9'"),
        ("n2\n", "n0\n", "line 6: net n0 for the second time"),
        ("(\n0", "0", r"follows the name of a net.*line 2: 0 0 4200"),
        ("m2", "v1", "line 4: '0 0 4200 8400 v1'"),
        ("8400 m2", "m2", "A guide is left bottom right top layer"),
        ("8400", "9" * 400, "in database units"),
        ("8400", "0", "A guide is"),
        ("8400", "8.4", "A guide is"),
        (")\nn2\n(\n)\n", "", "line 5: the end of the file within net n0, behind 0 complete"),
        (")\nn2\n(\n)\n", ")\nn2\n", "within net n2, behind 1 complete"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, design, old, new, complaint):
    (tmp_path / "a.guide").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=complaint) as error:
        read_guides(tmp_path / "a.guide", design)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("guides", [{"n9": ()}, {"n0": (Guide("v1", (0, 0, 1, 1)),)}])
def test_guides_of_another_design_leave_no_file(tmp_path, design, guides):
    with pytest.raises(ValueError, match="Guides belong to nets of the design"):
        write_guides(guides, tmp_path / "b.guide", design)
    assert not (tmp_path / "b.guide").exists()
