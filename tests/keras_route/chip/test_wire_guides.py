"""Guides around wires: they hold the wires, go through a file, and lead a router again."""

import pytest

import keras_route
from keras_route.chip.wire_guides import wire_guides
from keras_route.formats.lefdef import read_design, read_guides, write_guides
from keras_route.random_design.files import write_random_design


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    technology, cells, placed = write_random_design(folder, 40, seed=3, verbose=False)
    return read_design(placed, technology, cells)


@pytest.fixture(scope="module")
def chip(design):
    return keras_route.route_chip(design, jobs=1)


def test_every_wire_and_via_lies_in_a_guide_of_its_net(design, chip):
    guides = wire_guides(design, chip.wires)
    names, metals = list(design.nets), [metal.name for metal in design.technology.metals]

    def inside(net, layer, x0, y0, x1, y1):
        return any(
            layer == guide.layer
            and guide.box[0] <= x0 <= x1 <= guide.box[2]
            and guide.box[1] <= y0 <= y1 <= guide.box[3]
            for guide in guides[names[net]]
        )

    assert set(guides) == set(chip.routed)
    for net, metal, *line in chip.wires.wires.tolist():
        assert inside(net, metals[metal], *line)
    for net, via, x, y in chip.wires.vias.tolist():
        joined = set(design.technology.vias[via].boxes_um) & set(metals)
        assert len(joined) == 2
        assert all(inside(net, layer, x, y, x, y) for layer in joined)


def holds(one, other):
    (x0, y0, x1, y1), (a0, b0, a1, b1) = one.box, other.box
    return one.layer == other.layer and x0 <= a0 and y0 <= b0 and a1 <= x1 and b1 <= y1


def test_guides_lie_on_the_die_and_in_no_other_one(design, chip):
    left, bottom, right, top = design.die
    for boxes in wire_guides(design, chip.wires).values():
        for guide in boxes:
            x0, y0, x1, y1 = guide.box
            assert left <= x0 < x1 <= right
            assert bottom <= y0 < y1 <= top
            assert not any(holds(other, guide) for other in boxes if other != guide)


def test_guides_are_read_again_and_lead_to_wires_as_short(design, chip, tmp_path):
    guides = wire_guides(design, chip.wires)
    write_guides(guides, tmp_path / "out.guide", design)

    assert read_guides(tmp_path / "out.guide", design) == guides
    again = keras_route.route_chip(design, guides=guides, jobs=1)
    assert again.routed == chip.routed
    assert again.length_um == pytest.approx(chip.length_um, rel=0.02)
