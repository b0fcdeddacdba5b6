"""Wires of nets and special nets of DEF files, as boxes and places of vias."""

import dataclasses
from collections.abc import Iterator
from typing import Protocol

from keras_route.formats.lefdef.orientations import TURNS
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.vias import corners_as_boxes, point, points, split_options

WIRES = {"ROUTED", "FIXED", "COVER", "NOSHIELD", "SHIELD"}
MOST = 10**6  # vias of an array
CONTINUED = {"SHAPE", "STYLE", "MASK"}  # what follows them belongs to the option in front
NET_OPTIONS = {
    *("SHIELDNET", "XTALK", "NONDEFAULTRULE", "SOURCE", "FIXEDBUMP", "FREQUENCY", "ORIGINAL"),
    *("USE", "PATTERN", "ESTCAP", "WEIGHT", "PROPERTY", "VOLTAGE", "VPIN"),
}


class Rules(Protocol):
    """What is known about wires, when paths are read."""

    def width(self, statement: Statement, layer: str, rule: str | None) -> int:
        """Return the width of wires on a layer by a rule; None for the default rule."""

    def across(self, statement: Statement, via: str, layer: str) -> str:
        """Return the metal at the other end of a via."""


@dataclasses.dataclass
class Wiring:
    """What wires are made of, in database units.

    Args:
        statement: of the net.
        boxes: (layer, left, bottom, right, top) of each piece of metal.
        vias: (name, orientation, x, y) of each via.
        lines: (layer, x0, y0, x1, y1) of each wire that has the width of its layer, and reaches
            half of it beyond its ends. Square patches of this width are lines of length 0.
        others: other pieces of metal, in words.
    """

    statement: Statement
    boxes: list[tuple[str, int, int, int, int]] = dataclasses.field(default_factory=list)
    vias: list[tuple[str, str, int, int]] = dataclasses.field(default_factory=list)
    lines: list[tuple[str, int, int, int, int]] = dataclasses.field(default_factory=list)
    others: list[str] = dataclasses.field(default_factory=list)


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


def regular_wiring(statement: Statement, options: list[list[str]], rules: Rules) -> Wiring:
    """Return the wires of a net of `NETS`, given the options of `net_options`."""
    wiring = Wiring(statement)
    rule = next((words[1] for words in options if words[0] == "NONDEFAULTRULE"), None)
    for words in options:
        if words[0] in WIRES:
            for layer, *path in _paths(words[1:]):
                _Path(wiring, rules, layer, rule).walk(path)
    return wiring


def special_wiring(statement: Statement, options: list[list[str]], rules: Rules) -> Wiring:
    """Return the wires of a net of `SPECIALNETS`."""
    wiring = Wiring(statement)
    for words in options:
        if words[0] in WIRES:
            for path in _paths(words[2 if words[0] == "SHIELD" else 1 :]):
                if len(path) < 2:
                    raise statement.error(
                        "A wire of a special net has a layer and a width: add them.", " ".join(path)
                    )
                _SpecialPath(wiring, rules, path[0], statement.integer(path[1])).walk(path[2:])
        elif words[0] in ("RECT", "POLYGON"):
            boxes = corners_as_boxes(statement, words)
            wiring.boxes += [(words[1], *box) for box in boxes.tolist()]
        elif words[0] == "VIA":
            start = words.index("(") if "(" in words else len(words)
            if start < 2:
                raise statement.error("A via of a special net has a name: add it.")
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


class _Path:
    """A walk along one path of a net.

    Args:
        wiring: gets what the path is made of.
        rules: of the design.
        layer: on which the path starts; behind a via, it goes on at the via's other end.
        rule: name of its width's rule.
    """

    def __init__(self, wiring, rules, layer, rule):
        self.wiring, self.rules, self.layer, self.rule = wiring, rules, layer, rule
        self.statement = wiring.statement
        self.at = None
        self.ends: list = []  # points of the wire, with the reach that the file states

    def width(self):
        return self.rules.width(self.statement, self.layer, self.rule)

    def reach(self, is_end):
        """Return the length of a wire beyond its points."""
        return -(-self.width() // 2)

    def walk(self, words):
        """Read the points, vias and patches of the path."""
        i = self._head(words)
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
                self.ends = []
                i = self._go(words, i + 1)
            else:
                i = self._via(words, i)
        self._draw()

    def _head(self, words):
        """Read `TAPER`, `TAPERRULE name` and `STYLE number`; return where the points start."""
        i = 0
        while i < len(words) and words[i] in ("TAPER", "TAPERRULE", "STYLE"):
            if words[i] == "TAPER":
                self.rule = None
            elif words[i] == "TAPERRULE":
                self.rule = words[i + 1] if i + 1 < len(words) else ""
            i += 1 if words[i] == "TAPER" else 2
        return i

    def _error(self, text, received):
        return self.statement.error(
            text, f"{received} on {self.layer} of net {self.statement.words[1]}"
        )

    def _go(self, words, i):
        end = i + 3 if words[i + 3 : i + 4] == [")"] else i + 4
        if words[i : i + 1] != ["("] or words[end : end + 1] != [")"]:
            raise self._error(
                "A point of a wire is ( x y ) or ( x y extension ): correct it.",
                " ".join(words[i : i + 5]),
            )
        self.at = point(self.statement, words[i + 1], words[i + 2], self.at)
        reach = self.statement.integer(words[i + 3]) if end == i + 4 else None
        self.ends.append((self.at, reach))
        return end + 1

    def _patch(self, words, i):
        inner = words[i + 1 : i + 5]
        if words[i : i + 1] != ["("] or words[i + 5 : i + 6] != [")"] or self.at is None:
            raise self._error(
                "A patch of a wire is RECT ( x0 y0 x1 y1 ), behind a point: correct it.",
                " ".join(words[i - 1 : i + 6]),
            )
        x0, y0, x1, y1 = (self.statement.integer(word) for word in inner)
        low, high = (min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))
        x, y = self.at
        half = -(-self.rules.width(self.statement, self.layer, None) // 2)
        self._keep(low == (-half, -half) and high == (half, half), x, y, x, y)
        self.wiring.boxes.append((self.layer, x + low[0], y + low[1], x + high[0], y + high[1]))
        return i + 6

    def _via(self, words, i):
        name, turn, i = words[i], "N", i + 1
        if self.at is None:
            raise self._error("A wire starts with a point: correct it.", name)
        if i < len(words) and words[i] in TURNS:
            turn, i = words[i], i + 1
        places, i = self._array(words, i, name)
        self._draw()
        self.layer = self.rules.across(self.statement, name, self.layer)
        self.ends = [(self.at, None)]
        self.wiring.vias += [(name, turn, x, y) for x, y in places]
        return i

    def _array(self, words, i, name):
        """Return the places of a via, which may be an array, and where the words go on."""
        if words[i : i + 1] != ["DO"]:
            return [self.at], i
        if len(words) < i + 7 or words[i + 2] != "BY" or words[i + 4] != "STEP":
            raise self._error("An array of vias is DO number BY number STEP x y: correct it.", name)
        numbers = [words[i + k] for k in (1, 3, 5, 6)]
        columns, rows, dx, dy = map(self.statement.integer, numbers)
        if not (columns > 0 and rows > 0 and columns * rows <= MOST):
            raise self._error(f"An array has 1 to {MOST} vias: correct it.", name)
        x, y = self.at
        return [(x + k * dx, y + j * dy) for j in range(rows) for k in range(columns)], i + 7

    def _draw(self):
        """Draw the wire along the points so far."""
        last = len(self.ends) - 2
        for k, (a, b) in enumerate(zip(self.ends, self.ends[1:], strict=False)):
            (x0, y0), (x1, y1) = a[0], b[0]
            if x0 != x1 and y0 != y1:
                raise self._error(
                    "A wire runs along x or y: a slanted one is not read.",
                    f"( {x0} {y0} ) ( {x1} {y1} )",
                )
            if self.width() <= 0:
                raise self._error(
                    "A wire is wider than 0: correct its width.", f"width {self.width()}"
                )
            first = self.reach(k == 0) if a[1] is None else a[1]
            second = self.reach(k == last) if b[1] is None else b[1]
            self._box(((x0, y0, first), (x1, y1, second)))
        self.ends = self.ends[-1:]

    def _box(self, ends):
        (x0, y0, first), (x1, y1, second) = sorted(ends)
        half = -(-self.width() // 2)
        if y0 == y1 and x0 != x1:
            box = (x0 - first, y0 - half, x1 + second, y0 + half)
        else:
            box = (x0 - half, y0 - first, x0 + half, y1 + second)
        usual = -(-self.rules.width(self.statement, self.layer, None) // 2)
        self._keep(first == second == half == usual, x0, y0, x1, y1)
        self.wiring.boxes.append((self.layer, *box))

    def _keep(self, is_plain, x0, y0, x1, y1):
        if is_plain:
            self.wiring.lines.append((self.layer, x0, y0, x1, y1))
        else:
            self.wiring.others.append(f"{self.layer} ( {x0} {y0} ) ( {x1} {y1} )")


class _SpecialPath(_Path):
    """A path that states its width, and ends at its points."""

    def __init__(self, wiring, rules, layer, width):
        super().__init__(wiring, rules, layer, None)
        self.stated = width

    def width(self):
        return self.stated

    def reach(self, is_end):
        return 0 if is_end else -(-self.stated // 2)

    def _keep(self, is_plain, x0, y0, x1, y1):
        pass
