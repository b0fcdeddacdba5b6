"""Changed LEF, DEF and guide files."""

import gzip

import numpy as np
import pytest
from attempts import attempt
from hypothesis import strategies as st
from mutations import damaged, reworded
from placed_designs import CELLS, TECHNOLOGY, random_design

from keras_route.formats.lefdef import (
    read_def,
    read_design,
    read_guides,
    read_technology,
    read_wires,
)

DESIGN = random_design(np.random.default_rng(0), components=3)
GUIDES = "n0\n(\n0 0 4200 4200 m1\n0 0 4200 8400 m2\n)\nn2\n(\n)\n"


def changed(text):
    """Draw a file near a text, packed or not."""
    return st.one_of(
        reworded(text).map(lambda t: t.encode("utf-8", "surrogatepass")),
        damaged(text.encode()),
        damaged(gzip.compress(text.encode(), mtime=0)),
    )


@pytest.fixture
def files(tmp_path):
    """Return a function that writes the files of a design; one of them is another."""

    def write(**others):
        texts = {"d_def": DESIGN.encode(), "t_lef": TECHNOLOGY.encode(), "c_lef": CELLS.encode()}
        for name, data in (texts | others).items():
            packed = ".gz" if data.startswith(b"\x1f") else ""
            path = tmp_path / (name.replace("_", ".") + packed)
            path.write_bytes(data)
            yield path

    return write


def check(design):
    """Check that all of a design lies on its die, in whole numbers."""
    left, bottom, right, top = design.die
    assert left < right
    assert bottom < top
    boxes = design.shapes.box
    assert boxes.dtype.kind == "i"
    assert (boxes[:, :2] <= boxes[:, 2:]).all()


def test_placed_designs(files):
    @attempt("DEF", 10, changed(DESIGN))
    def _(data):
        check(read_design(*files(d_def=data)))

    @attempt("DEF, pins", 10, changed(DESIGN))
    def _(data):
        path, _, cells = files(d_def=data)
        design = read_def(path, cells)
        points = [pin for pins in design.nets.values() for pin in pins]
        assert np.isfinite(np.array(points, float)).all()

    @attempt("DEF, wires", 10, changed(DESIGN))
    def _(data):
        read_wires(*files(d_def=data))


def test_technologies(files):
    @attempt("LEF", 5, changed(TECHNOLOGY))
    def _(data):
        _, path, _ = files(t_lef=data)
        found = read_technology(path)
        assert all(metal.width_um > 0 and metal.pitch_um > 0 for metal in found.metals)

    @attempt("LEF, cells", 10, changed(CELLS))
    def _(data):
        check(read_design(*files(c_lef=data)))


def test_guides(files, tmp_path):
    design = read_design(*files())

    @attempt("guides", 2, changed(GUIDES))
    def _(data):
        path = tmp_path / ("a.guide.gz" if data.startswith(b"\x1f") else "a.guide")
        path.write_bytes(data)
        assert set(read_guides(path, design)) <= set(design.nets)
