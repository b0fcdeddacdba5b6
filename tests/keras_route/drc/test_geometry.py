"""Spacing by klayout equals the table, pair by pair, on random rectangles."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_chip import HEAD, write_lefs

from keras_route.drc.check import check_routed_def
from keras_route.random_design.process import GENERIC_45

pytest.importorskip("klayout.db", reason="the check needs klayout")
METAL = GENERIC_45.metals[1]
DBU = 2000


def gap(one, other):
    """Return the gaps along x and y; a negative one is an overlap."""
    return tuple(max(one[i], other[i]) - min(one[i + 2], other[i + 2]) for i in (0, 1))


def too_near(one, other):
    """Return whether two rectangles break the table of metal2, as LEF defines it."""
    width = max(min(box[2] - box[0], box[3] - box[1]) for box in (one, other)) / DBU
    x, y = gap(one, other)
    length = -min(x, y)
    space = METAL.spacing.space_um(width, max(length, 0) / DBU) * DBU
    return math.hypot(max(x, 0), max(y, 0)) < space - 0.5


def rectangles(seed):
    """Return up to 12 rectangles that do not touch each other."""
    generator = random.Random(seed)
    found = []
    for _ in range(60):
        x, y = (10 * generator.randrange(300) for _ in range(2))
        sides = [140, 140, 10 * generator.randrange(14, 25), 10 * generator.randrange(14, 200)]
        generator.shuffle(sides)
        box = (x, y, x + sides[0], y + sides[1])
        if all(max(gap(box, other)) > 10 for other in found) and len(found) < 12:
            found.append(box)
    return found


def nets_of(boxes):
    """Return DEF text in which each rectangle is a net of its own."""
    lines = [f"NETS {len(boxes)} ;"]
    for number, (left, bottom, right, top) in enumerate(boxes):
        x, half = left + 70, 70
        rows = []
        while True:
            rows.append(f"metal2 ( {x} {bottom + half} ) ( * {top - half} )")
            if x == right - half:
                break
            x = min(x + 140, right - half)
        lines.append(f"- n{number} + ROUTED " + " NEW ".join(rows) + " ;")
    return "\n".join([*lines, "END NETS", "END DESIGN", ""])


@given(st.integers(0, 10**6))
def test_spacing_is_that_of_the_table(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("spacing")
    boxes = rectangles(seed)
    path = folder / "routed.def"
    path.write_text(HEAD + nets_of(boxes))
    found = check_routed_def(path, *write_lefs(folder))
    assert {violation.rule for violation in found.violations} <= {"spacing"}
    pairs = {violation.nets for violation in found.violations}
    expected = {
        tuple(sorted((f"n{i}", f"n{j}")))
        for i, j in itertools.combinations(range(len(boxes)), 2)
        if too_near(boxes[i], boxes[j])
    }
    assert pairs == expected


def test_a_bump_does_not_shorten_the_parallel_length(tmp_path):
    """Two wires of 0.2 um and a bump between them: no straight edge is longer than 0.3 um."""
    lefs = write_lefs(tmp_path)
    wide = "- a + ROUTED metal2 ( 1000 1000 ) ( * 3000 ) NEW metal2 ( 1060 1000 ) ( * 3000 ) ;"
    thin = [
        "- b + ROUTED metal2 ( 1350 1000 ) ( * 3000 )",
        *(f"NEW metal2 ( 1340 {y} ) ( * {y} )" for y in range(1070, 3000, 400)),
    ]
    path = tmp_path / "routed.def"
    path.write_text(
        HEAD + "\n".join(["NETS 2 ;", wide, *thin[:1], ";", "END NETS", "END DESIGN\n"])
    )
    near = check_routed_def(path, *lefs)
    assert [(v.rule, v.nets) for v in near.violations] == [("spacing", ("a", "b"))]
    path.write_text(HEAD + "\n".join(["NETS 2 ;", wide, *thin, ";", "END NETS", "END DESIGN\n"]))
    bumpy = check_routed_def(path, *lefs)
    assert any(v.nets == ("a", "b") and v.box_um[3] - v.box_um[1] > 0.9 for v in bumpy.violations)
