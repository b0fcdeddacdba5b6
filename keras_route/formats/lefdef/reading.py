"""The nets of a placed design, from DEF and LEF files."""

import dataclasses
import os
import re
from collections.abc import Iterator

import numpy as np

from keras_route.formats.lefdef.cells import inside, read_cells

TURNS = {  # the matrix of each orientation, applied to (x, y)
    "N": ((1, 0), (0, 1)),
    "W": ((0, -1), (1, 0)),
    "S": ((-1, 0), (0, -1)),
    "E": ((0, 1), (-1, 0)),
    "FN": ((-1, 0), (0, 1)),
    "FW": ((0, 1), (1, 0)),
    "FS": ((1, 0), (0, -1)),
    "FE": ((0, -1), (-1, 0)),
}


@dataclasses.dataclass(frozen=True)
class Design:
    """The nets of a placed design.

    Args:
        name: of the design.
        die_um: left, bottom, right and top of the die in micrometres, y upwards.
        nets: name of each net to the positions of its pins: array (pins, 2) of x and y in
            micrometres.
    """

    name: str
    die_um: tuple[float, float, float, float]
    nets: dict[str, np.ndarray]


def read_def(path: str | os.PathLike, *lef_paths: str | os.PathLike) -> Design:
    """Return the nets of a placed design.

    The position of a pin is the centre of the first rectangle of its geometry. A pin without
    rectangle lies inside its first polygon. The pin's layer is not read. Nor are `SPECIALNETS` (the
    supply), existing wires, blockages, and obstacles in cells.

    Args:
        path: the DEF file.
        lef_paths: LEF files with the cells of the design.

    Raises:
        ValueError: a file lacks a statement that it must have, or a net has a pin that is not
            placed or that the LEF files do not describe.
    """
    cells = {name: cell for lef in lef_paths for name, cell in read_cells(lef).items()}
    statements = list(_statements(path))
    heads: dict[str, list[str]] = {}
    for statement in statements:
        if statement[0] in ("DESIGN", "UNITS", "DIEAREA"):
            heads.setdefault(statement[0], statement)  # properties start with DESIGN, too
    if len(heads) < 3:
        raise ValueError(
            "A DEF file states DESIGN, UNITS and DIEAREA: write it out of a placed design. "
            f"Received: path={os.fspath(path)!r}, which states {', '.join(heads) or 'none'}"
        )
    sections = _sections(statements)
    units = int(heads["UNITS"][3])  # in a micrometre
    die = np.array(_pairs(heads["DIEAREA"])) / units
    places = {("PIN", item[1]): _terminal(item, units) for item in sections.get("PINS", ())}
    for item in sections.get("COMPONENTS", ()):
        for pin, at in _component(item, cells, units).items():
            places[item[1], pin] = at
    pins: dict[str, list] = {}  # a net may be listed in several entries
    for item in sections.get("NETS", ()):
        pins.setdefault(item[1], []).extend(_pins(item))
    return Design(
        name=heads["DESIGN"][1],
        die_um=(*die.min(axis=0).tolist(), *die.max(axis=0).tolist()),
        nets={net: _positions(net, dict.fromkeys(found), places) for net, found in pins.items()},
    )


def _statements(path) -> Iterator[list[str]]:
    """Yield the statements of a DEF file, without the `END name` of sections."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = re.sub(r"#.*", "", file.read())
    statement: list[str] = []
    for token in re.findall(r'"[^"]*"|[^\s"]+', text):
        if token != ";":
            statement.append(token)
            continue
        while statement[:1] == ["END"]:
            statement = statement[2:]
        if statement:
            yield statement
        statement = []


def _sections(statements: list[list[str]]) -> dict[str, list[list[str]]]:
    """Return the items of each section, the statements that start with a dash.

    A section that is there twice has the items of both.
    """
    sections: dict[str, list[list[str]]] = {}
    items: list[list[str]] = []
    for statement in statements:
        if statement[0] == "-":
            items.append(statement)
        else:
            items = sections.setdefault(statement[0], [])
    return sections


def _pairs(tokens):
    """Return the numbers of each `( x y )`."""
    found = re.findall(r"\( (-?\d+) (-?\d+) \)", " ".join(tokens))
    return [(int(x), int(y)) for x, y in found]


def _placement(item):
    """Return position and orientation matrix of an item; None if it is not placed."""
    for i, word in enumerate(item):
        if word in ("PLACED", "FIXED", "COVER") and item[i - 1] == "+":
            x, y, _, orientation = item[i + 2 : i + 6]
            return np.array((int(x), int(y))), np.array(TURNS[orientation])
    return None


def _terminal(item, units):
    """Return the position of a pin of the design in micrometres; None if it is not placed."""
    placement = _placement(item)
    shapes = [word for word in item if word in ("LAYER", "POLYGON")]
    if placement is None or not shapes:
        return None
    position, turn = placement
    start = item.index(shapes[0])
    end = next((i for i in range(start, len(item)) if item[i] == "+"), len(item))
    corners = np.array(_pairs(item[start:end]))
    at = corners.mean(axis=0) if shapes[0] == "LAYER" else inside(corners)
    return (position + turn @ at) / units


def _component(item, cells, units):
    """Return the positions of a component's pins; DEF places its lower left corner."""
    placement, cell = _placement(item), cells.get(item[2])
    if placement is None or cell is None:
        return {}
    position, turn = placement
    corner = np.minimum(turn @ cell.size, 0)
    return {pin: position / units + turn @ at - corner for pin, at in cell.pins.items()}


def _pins(item):
    """Return the pins that an entry of `NETS` connects, as pairs of component and pin."""
    connections = f" {' '.join(item[2:])}".replace(" + SYNTHESIZED", "").split(" + ")[0]
    return re.findall(r"\( (\S+) (\S+) \)", connections)


def _positions(net, pins, places):
    for pin in pins:
        if places.get(pin) is None:
            raise ValueError(
                "Each pin of a net belongs to a placed component, of a cell in the LEF files, or "
                "is a placed pin of the design, and has a rectangle or polygon: place it, or add "
                "the LEF file that has the geometry of its cell. "
                f"Received: net {net} with ( {' '.join(pin)} )"
            )
    return np.array([places[pin] for pin in pins], float).reshape(-1, 2)
