"""Wires of nets and special nets of DEF files, as boxes and places of vias."""

import dataclasses
from collections.abc import Callable, Iterator

from keras_route.formats.lefdef.orientations import TURNS
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.vias import corners_as_boxes, point, points, split_options

WIRES = {"ROUTED", "FIXED", "COVER", "NOSHIELD", "SHIELD"}
CONTINUED = {"SHAPE", "STYLE", "MASK"}  # what follows them belongs to the option in front
NET_OPTIONS = {
    *("SHIELDNET", "XTALK", "NONDEFAULTRULE", "SOURCE", "FIXEDBUMP", "FREQUENCY", "ORIGINAL"),
    *("USE", "PATTERN", "ESTCAP", "WEIGHT", "PROPERTY", "VOLTAGE", "VPIN"),
}


@dataclasses.dataclass
class Wiring:
    """What wires are made of, in database units.

    Args:
        boxes: (layer, left, bottom, right, top) of each piece of metal.
        lines: (layer, x0, y0, x1, y1) of each centre line.
        vias: (name, orientation, x, y) of each via.
        statement: of the net.
    """

    statement: Statement
    boxes: list[tuple[str, int, int, int, int]] = dataclasses.field(default_factory=list)
    lines: list[tuple[str, int, int, int, int]] = dataclasses.field(default_factory=list)
    vias: list[tuple[str, str, int, int]] = dataclasses.field(default_factory=list)


def net_options(statement: Statement, words: list[str]) -> list[list[str]]:
    """Return the options of a net; those that continue a wire are joined to it."""
    found: list[list[str]] = []
    for option in split_options(words):
        if option[0] in CONTINUED:
            if found and found[-1][0] in {*WIRES, "RECT", "POLYGON", "VIA"}:
                found[-1] += option[2:]
            continue
        if option[0] not in {*WIRES, *NET_OPTIONS, "RECT", "POLYGON", "VIA"}:
            raise statement.error(
                "An option of a net is one of those of DEF 5.8, such as ROUTED and USE: correct or "
                "remove it.",
                f"+ {' '.join(option[:6])} of net {statement.words[1]}",
            )
        found.append(list(option))
    return found


def regular_wiring(
    statement: Statement, options: list[list[str]], width: Callable[[str], int]
) -> Wiring:
    """Return the wires of a net of `NETS`.

    Args:
        statement: of the net.
        options: of `net_options`.
        width: of wires on a layer, given its name.
    """
    wiring = Wiring(statement)
    for words in options:
        if words[0] in WIRES:
            for path in _paths(words[1:]):
                _Path(wiring, path[0], width(path[0]), None).walk(_without_rule(path[1:]))
    return wiring


def special_wiring(statement: Statement, options: list[list[str]]) -> Wiring:
    """Return the wires of a net of `SPECIALNETS`."""
    wiring = Wiring(statement)
    for words in options:
        if words[0] in WIRES:
            for path in _paths(words[2 if words[0] == "SHIELD" else 1 :]):
                if len(path) < 2:
                    raise statement.error(
                        "A wire of a special net has a layer and a width: add it."
                    )
                _Path(wiring, path[0], statement.integer(path[1]), 0).walk(_without_rule(path[2:]))
        elif words[0] in ("RECT", "POLYGON"):
            boxes = corners_as_boxes(statement, words)
            wiring.boxes += [(words[1], *box) for box in boxes.tolist()]
        elif words[0] == "VIA":
            start = words.index("(") if "(" in words else len(words)
            turn = next((word for word in words[2:start] if word in TURNS), "N")
            wiring.vias += [(words[1], turn, *at) for at in points(statement, words[start:])]
    return wiring


def _paths(words) -> Iterator[list[str]]:
    path: list[str] = []
    for word in (*words, "NEW"):
        if word != "NEW":
            path.append(word)
        elif path:
            yield path
            path = []


def _without_rule(words):
    """Return a path without `TAPER`, `TAPERRULE name` and `STYLE number` in front of its points."""
    while words and words[0] in ("TAPER", "TAPERRULE", "STYLE"):
        words = words[1 if words[0] == "TAPER" else 2 :]
    return words


class _Path:
    """A walk along one path.

    Args:
        wiring: gets what the path is made of.
        layer: of the path.
        width: of its wires.
        reach: of a wire beyond the path's ends; None for half of the width.
    """

    def __init__(self, wiring, layer, width, reach):
        self.wiring, self.layer, self.width, self.reach = wiring, layer, width, reach
        self.at = None
        self.ends: list = []  # points of the wire, with the reach that the file states

    def walk(self, words):
        """Read the points, vias and patches of the path."""
        i = 0
        while i < len(words):
            word = words[i]
            if word == "(":
                i = self._go(words, i)
            elif word == "MASK":
                i += 2
            elif word == "RECT":
                i = self._patch(words, i + 1)
            elif word == "VIRTUAL":
                self._draw()
                i = self._go(words, i + 1)
            else:
                i = self._via(words, i)
        self._draw()

    def _error(self, text, received):
        statement = self.wiring.statement
        return statement.error(text, f"{received} on {self.layer} of net {statement.words[1]}")

    def _go(self, words, i):
        end = i + 3 if words[i + 3 : i + 4] == [")"] else i + 4
        if words[i : i + 1] != ["("] or words[end : end + 1] != [")"]:
            raise self._error(
                "A point of a wire is ( x y ) or ( x y extension ): correct it.",
                " ".join(words[i : i + 5]),
            )
        statement = self.wiring.statement
        self.at = point(statement, words[i + 1], words[i + 2], self.at)
        reach = statement.integer(words[i + 3]) if end == i + 4 else None
        self.ends.append((self.at, reach))
        return end + 1

    def _patch(self, words, i):
        inner = words[i + 1 : i + 5]
        if words[i : i + 1] != ["("] or words[i + 5 : i + 6] != [")"] or self.at is None:
            raise self._error(
                "A patch of a wire is RECT ( x0 y0 x1 y1 ), behind a point: correct it.",
                " ".join(words[i - 1 : i + 6]),
            )
        x0, y0, x1, y1 = (self.wiring.statement.integer(word) for word in inner)
        x, y = self.at
        box = (x + min(x0, x1), y + min(y0, y1), x + max(x0, x1), y + max(y0, y1))
        self.wiring.boxes.append((self.layer, *box))
        return i + 6

    def _via(self, words, i):
        if self.at is None:
            raise self._error("A wire starts with a point: correct it.", words[i])
        name, turn, i = words[i], "N", i + 1
        if i < len(words) and words[i] in TURNS:
            turn, i = words[i], i + 1
        columns, rows, dx, dy = 1, 1, 0, 0
        if words[i : i + 1] == ["DO"]:
            if len(words) < i + 7 or words[i + 2] != "BY" or words[i + 4] != "STEP":
                raise self._error(
                    "An array of vias is DO number BY number STEP x y: correct it.", name
                )
            numbers = [words[i + k] for k in (1, 3, 5, 6)]
            columns, rows, dx, dy = map(self.wiring.statement.integer, numbers)
            i += 7
        if not (0 < columns <= 10**4 and 0 < rows <= 10**4):
            raise self._error("An array has 1 to 10000 rows and columns: correct it.", name)
        x, y = self.at
        self.wiring.vias += [
            (name, turn, x + k * dx, y + j * dy) for j in range(rows) for k in range(columns)
        ]
        return i

    def _draw(self):
        """Draw the wire along the points so far."""
        last = len(self.ends) - 2
        half = self.width // 2
        for k, (a, b) in enumerate(zip(self.ends, self.ends[1:], strict=False)):
            (x0, y0), (x1, y1) = a[0], b[0]
            if x0 != x1 and y0 != y1:
                raise self._error(
                    "A wire runs along x or y: a slanted one is not read.",
                    f"( {x0} {y0} ) ( {x1} {y1} )",
                )
            if self.width <= 0:
                raise self._error("A wire is wider than 0: correct its width.", str(self.width))
            first = self._reach(a[1], k == 0)
            second = self._reach(b[1], k == last)
            self._box(((x0, y0, first), (x1, y1, second)), half)
            self.wiring.lines.append(
                (self.layer, min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            )
        self.ends = self.ends[-1:]

    def _reach(self, stated, is_end):
        if stated is not None:
            return stated
        return self.width // 2 if self.reach is None or not is_end else self.reach

    def _box(self, ends, half):
        (x0, y0, first), (x1, y1, second) = sorted(ends)
        if y0 == y1 and x0 != x1:
            box = (x0 - first, y0 - half, x1 + second, y0 - half + self.width)
        else:
            box = (x0 - half, y0 - first, x0 - half + self.width, y1 + second)
        self.wiring.boxes.append((self.layer, *box))
