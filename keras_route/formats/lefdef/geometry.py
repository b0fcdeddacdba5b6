"""The metal of LEF files: rectangles, polygons, paths and vias of ports and obstructions."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_route.formats.lefdef.polygons import inner_rectangles, is_rectilinear, rectangles
from keras_route.formats.lefdef.statements import Statement


@dataclasses.dataclass(frozen=True)
class Figure:
    """A shape of a LEF file, in micrometres.

    Args:
        statement: which states it.
        layer: its layer.
        corners: array (n, 2): two corners of a rectangle, or all those of a polygon.
        steps: array (m, 2): the places of its copies.
    """

    statement: Statement
    layer: str
    corners: np.ndarray
    steps: np.ndarray

    def boxes(self, dbu_per_um: int, shift_um: np.ndarray) -> np.ndarray:
        """Return boxes (k, 4) that cover it, in database units, moved by `shift_um`."""
        corners = in_units(self.statement, self.corners + shift_um, dbu_per_um)
        if len(corners) == 2:
            corners = np.concatenate((corners.min(axis=0), corners.max(axis=0)))
            return self._copies(corners[None], dbu_per_um)
        return self._copies(rectangles(corners), dbu_per_um)

    def inner_boxes(self, dbu_per_um: int, shift_um: np.ndarray) -> np.ndarray:
        """Return boxes (k, 4) within it, if it is a polygon with slanted sides."""
        corners = in_units(self.statement, self.corners + shift_um, dbu_per_um)
        return self._copies(inner_rectangles(corners), dbu_per_um)

    @property
    def slanted(self) -> bool:
        """Whether it has sides that run neither along x nor y."""
        return len(self.corners) > 2 and not is_rectilinear(self.corners)

    def _copies(self, boxes, dbu_per_um):
        steps = np.tile(in_units(self.statement, self.steps, dbu_per_um), 2)
        return (boxes[None] + steps[:, None]).reshape(-1, 4)


def in_units(statement: Statement, lengths_um: np.ndarray, dbu_per_um: int) -> np.ndarray:
    """Return lengths in database units, as integers.

    Raises:
        ValueError: one is no whole number of database units.
    """
    exact = np.asarray(lengths_um, float) * dbu_per_um
    whole = np.rint(exact)
    wrong = np.abs(exact - whole) > 1e-4
    if wrong.any():
        raise statement.error(
            "A coordinate of a LEF file is a whole number of the DEF file's database units, "
            f"{dbu_per_um} in a micrometre: write the DEF file with finer units.",
            f"{np.asarray(lengths_um)[wrong].flat[0]:.9g} um in {' '.join(statement.words[:9])}",
        )
    return whole.astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Placed:
    """A via in the geometry of a LEF file, at (x, y) in micrometres."""

    statement: Statement
    name: str
    at: tuple[float, float]


def figures(statements: Iterable[Statement]) -> tuple[list[Figure], list[Placed], set[str]]:
    """Return the shapes and vias of a geometry, and the names of rules in it that are not read."""
    found: list[Figure] = []
    vias: list[Placed] = []
    unread: set[str] = set()
    layer, width = None, None
    for statement in statements:
        keyword = statement.words[0]
        if keyword == "LAYER":
            layer, width = statement.word(1, "a layer"), None
            unread.update({"SPACING", "DESIGNRULEWIDTH"} & set(statement.words[2:]))
        elif keyword == "WIDTH":
            width = statement.number(statement.word(1, "a width"))
        elif keyword == "VIA":
            vias += _vias(statement)
        elif keyword in ("RECT", "POLYGON", "PATH"):
            if layer is None:
                raise statement.error("A shape belongs to a layer: put LAYER in front of it.")
            found += _shapes(statement, layer, width)
        elif keyword != "CLASS":
            raise statement.error(
                "A geometry has LAYER, WIDTH, RECT, POLYGON, PATH and VIA: correct it."
            )
    return found, vias, unread


def _shapes(statement, layer, width):
    words, steps = _without_steps(statement)
    numbers = [statement.number(word) for word in words]
    corners = np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)
    keyword = statement.words[0]
    right = {"RECT": len(numbers) == 4, "POLYGON": len(numbers) > 5, "PATH": len(numbers) > 1}
    if len(numbers) % 2 or not right[keyword]:
        raise statement.error(
            "A RECT has four numbers, a POLYGON six or more, a PATH two or more, always in pairs: "
            "correct it."
        )
    if keyword != "PATH":
        return [Figure(statement, layer, corners, steps)]
    if width is None:
        raise statement.error("A PATH has a WIDTH: state it in front.")
    ends = corners[1:] if len(corners) > 1 else corners
    if np.any((corners[: len(ends)] != ends).all(axis=1)):
        raise statement.error("A PATH runs along x or y: write it as POLYGON.")
    return [
        Figure(statement, layer, _segment(a, b, width), steps)
        for a, b in zip(corners, ends, strict=False)
    ]


def _segment(a, b, width):
    return np.array([np.minimum(a, b) - width / 2, np.maximum(a, b) + width / 2])


def _without_steps(statement):
    """Return the numbers of a shape, and the places of its copies."""
    words = statement.words[1:]
    if words[:1] == ["MASK"]:
        words = words[2:]
    if words[:1] != ["ITERATE"]:
        return words, np.zeros((1, 2))
    if len(words) < 9 or [words[-7], words[-5], words[-3]] != ["DO", "BY", "STEP"]:
        raise statement.error("ITERATE ends with DO number BY number STEP x y: correct it.")
    columns, rows = (int(statement.number(words[k])) for k in (-6, -4))
    if not (columns > 0 and rows > 0 and columns * rows <= 10**6):
        raise statement.error("ITERATE makes one to a million copies: correct it.")
    step = [statement.number(words[k]) for k in (-2, -1)]
    places = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return words[1:-7], places * step


def _vias(statement):
    words = statement.words[1:]
    steps = np.zeros((1, 2))
    if words[:1] == ["ITERATE"]:
        words, steps = _without_steps(statement)
    if words[:1] == ["MASK"]:
        words = words[2:]
    if len(words) != 3:
        raise statement.error("A VIA of a geometry has x, y and a name: correct it.")
    x, y = statement.number(words[0]), statement.number(words[1])
    return [Placed(statement, words[2], (x + dx, y + dy)) for dx, dy in steps.tolist()]
