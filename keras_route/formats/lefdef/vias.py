"""Vias of LEF and DEF files as boxes: fixed ones, and those that are generated from a rule."""

import re
from collections.abc import Mapping

import numpy as np

from keras_route.formats.lefdef.geometry import figures, in_units
from keras_route.formats.lefdef.lef_blocks import Block
from keras_route.formats.lefdef.polygons import rectangles
from keras_route.formats.lefdef.statements import Statement

Boxes = dict[str, np.ndarray]  # layer to boxes (n, 4) in database units
MOST = 10**6  # cuts of a via
SIZES = {  # the parameters of a generated via, and how many numbers each has
    "CUTSIZE": 2,
    "CUTSPACING": 2,
    "ENCLOSURE": 4,
    "ROWCOL": 2,
    "ORIGIN": 2,
    "OFFSET": 4,
}


def lef_via(block: Block, dbu_per_um: int) -> Boxes:
    """Return the boxes of a `VIA` of a LEF file.

    Raises:
        ValueError: it has no shapes, or lacks a parameter of a generated via.
    """
    if block.first("VIARULE"):
        return _generated_lef_via(block, dbu_per_um)
    drawn = [s for s in block.statements if s.words[0] in ("LAYER", "RECT", "POLYGON")]
    found: dict[str, list[np.ndarray]] = {}
    for figure in figures(drawn)[0]:
        found.setdefault(figure.layer, []).append(figure.boxes(dbu_per_um, np.zeros(2)))
    return {layer: np.concatenate(boxes) for layer, boxes in found.items()}


def _generated_lef_via(block, dbu_per_um):
    numbers = {}
    for statement in block.statements:
        if statement.words[0] in SIZES:
            values = np.array([statement.number(word) for word in statement.words[1:]])
            unit = 1 if statement.words[0] == "ROWCOL" else dbu_per_um
            numbers[statement.words[0]] = in_units(statement, values, unit).tolist()
    layers, pattern = block.first("LAYERS"), block.first("PATTERN")
    place = layers or block.first("VIARULE")
    return generated(
        place, layers.words[1:] if layers else [], numbers, pattern.words[1] if pattern else None
    )


def def_via(statement: Statement) -> Boxes:
    """Return the boxes of an item of `VIAS` of a DEF file: `- name + ... + ...`."""
    options = split_options(statement.words[2:])
    if any(option[0] == "VIARULE" for option in options):
        return _generated_def_via(statement, options)
    found: dict[str, list[np.ndarray]] = {}
    for words in options:
        if words[0] not in ("RECT", "POLYGON", "PATTERNNAME"):
            raise statement.error(
                "A via of a DEF file has + RECT, + POLYGON or + VIARULE: correct it."
            )
        if len(words) < 2:
            raise statement.error(f"A + {words[0]} of a via must name a layer: add it.")
        if words[0] != "PATTERNNAME":
            found.setdefault(words[1], []).append(corners_as_boxes(statement, words))
    return {layer: np.concatenate(boxes) for layer, boxes in found.items()}


def corners_as_boxes(statement: Statement, words: list[str]) -> np.ndarray:
    """Return the boxes of `RECT layer ( x y ) ( x y )` or `POLYGON layer ( x y ) ...`."""
    corners = corners_of(statement, words)
    if words[0] == "POLYGON":
        return rectangles(corners)
    return np.concatenate((corners.min(axis=0), corners.max(axis=0)))[None]


def corners_of(statement: Statement, words: list[str]) -> np.ndarray:
    """Return the corners (n, 2) of `RECT layer ( x y ) ( x y )` or `POLYGON layer ( x y ) ...`."""
    start = words.index("(") if "(" in words else len(words)
    corners = np.array(points(statement, words[start:]))
    if len(corners) < 3 if words[0] == "POLYGON" else len(corners) != 2:
        raise statement.error(
            "A rectangle has two corners ( x y ) ( x y ), and a polygon three or more: correct it."
        )
    return corners


def points(statement: Statement, words: list[str]) -> list[tuple[int, int]]:
    """Return the points `( x y ) ( x y ) ...`; an asterisk is the number of the point before."""
    found: list[tuple[int, int]] = []
    if len(words) % 4 or set(words[::4]) - {"("} or set(words[3::4]) - {")"}:
        raise statement.error("A point of a DEF file is ( x y ), with spaces: correct it.")
    for x, y in zip(words[1::4], words[2::4], strict=True):
        found.append(point(statement, x, y, found[-1] if found else None))
    return found


def point(statement: Statement, x: str, y: str, before: tuple[int, int] | None) -> tuple[int, int]:
    """Return a point; an asterisk is the number of the point before."""
    if before is None:
        if "*" in (x, y):
            raise statement.error("The first of several points has two numbers: correct it.")
        return statement.integer(x), statement.integer(y)
    return (
        before[0] if x == "*" else statement.integer(x),
        before[1] if y == "*" else statement.integer(y),
    )


def _generated_def_via(statement, options):
    numbers, layers, pattern = {}, [], None
    for words in options:
        if words[0] in SIZES:
            numbers[words[0]] = [statement.integer(word) for word in words[1:]]
        elif words[0] == "LAYERS":
            layers = words[1:]
        elif words[0] == "PATTERN":
            pattern = words[1] if len(words) > 1 else ""
        elif words[0] not in ("VIARULE", "PATTERNNAME"):
            raise statement.error(
                f"A generated via has VIARULE, LAYERS, PATTERN, {', '.join(SIZES)}: correct it.",
                " ".join(words),
            )
    return generated(statement, layers, numbers, pattern)


def split_options(words: list[str]) -> list[list[str]]:
    """Return the options of an item, without their `+`."""
    found: list[list[str]] = []
    for word in words:
        if word == "+":
            found.append([])
        elif found:
            found[-1].append(word)
    return [option for option in found if option]


def generated(
    statement: Statement,
    layers: list[str],
    numbers: Mapping[str, list[int]],
    pattern: str | None = None,
) -> Boxes:
    """Return the boxes of a via that is an array of cuts.

    Args:
        statement: which defines it.
        layers: metal below, cuts, metal above.
        numbers: `CUTSIZE` and the like, to numbers in database units.
        pattern: which of the cuts are there, as LEF and DEF encode it; by default, all.

    Raises:
        ValueError: a parameter is missing or has another number of numbers.
    """
    short = [name for name, values in numbers.items() if len(values) != SIZES[name]]
    missing = [k for k in ("CUTSIZE", "CUTSPACING", "ENCLOSURE") if k not in numbers] + short
    if missing or len(layers) != 3:
        raise statement.error(
            "A generated via has three LAYERS, CUTSIZE x y, CUTSPACING x y and ENCLOSURE x y x y: "
            "complete it.",
            f"wrong or missing {', '.join(missing) or 'LAYERS'}",
        )
    rows, columns = numbers.get("ROWCOL", (1, 1))
    if not (rows > 0 and columns > 0 and rows * columns <= MOST):
        raise statement.error(f"ROWCOL has two numbers, of 1 to {MOST} cuts: correct it.")
    size, space = np.array(numbers["CUTSIZE"]), np.array(numbers["CUTSPACING"])
    extent = np.array((columns, rows)) * (size + space) - space
    low = np.array(numbers.get("ORIGIN", (0, 0))) - extent // 2
    there = np.argwhere(_pattern(statement, pattern, rows, columns))[:, ::-1]
    cuts = low + there * (size + space)
    enclosure = np.array(numbers["ENCLOSURE"]).reshape(2, 2)
    offset = np.array(numbers.get("OFFSET", (0, 0, 0, 0))).reshape(2, 2)
    below, above = (
        np.concatenate((low - grow, low + extent + grow)) + np.tile(move, 2)
        for grow, move in zip(enclosure, offset, strict=True)
    )
    boxes = (below[None], np.concatenate((cuts, cuts + size), axis=1), above[None])
    return dict(zip(layers, boxes, strict=True))


def _pattern(statement, pattern, rows, columns):
    """Return which cuts are there: array (rows, columns), the lowest row first.

    A pattern is `rows_bits_rows_bits...`, in hexadecimal digits: how many rows, and their bits from
    the left. `R4F` stands for `FFFF`.
    """
    if pattern is None:
        return np.ones((rows, columns), bool)
    parts = pattern.split("_")
    found: list[str] = []
    if len(parts) % 2 or not all(re.fullmatch(r"[0-9A-Fa-f]{1,4}", n) for n in parts[::2]):
        raise _wrong_pattern(statement, pattern)
    for repeats, digits in zip(parts[::2], parts[1::2], strict=True):
        digits = re.sub(r"R([0-9A-Fa-f])([0-9A-Fa-f])", lambda m: m[2] * int(m[1], 16), digits)
        if not re.fullmatch(r"[0-9A-Fa-f]+", digits) or len(found) > rows:
            raise _wrong_pattern(statement, pattern)
        bits = "".join(f"{int(digit, 16):04b}" for digit in digits)
        found += [bits] * int(repeats, 16)
    if len(found) != rows or any(len(bits) < columns for bits in found):
        raise _wrong_pattern(statement, pattern)
    return np.array([[bit == "1" for bit in bits[:columns]] for bits in found])


def _wrong_pattern(statement, pattern):
    return statement.error(
        "PATTERN has the bits of each row that ROWCOL states, such as 2_F0_3_R4F: correct it.",
        repr(pattern),
    )
