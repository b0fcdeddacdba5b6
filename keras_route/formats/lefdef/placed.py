"""What a DEF file places: components, pins of the design, blockages, fills, and tracks."""

import dataclasses

import numpy as np

from keras_route.formats.lefdef.def_file import DefFile
from keras_route.formats.lefdef.orientations import orientation
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.vias import points, split_options

PLACES = ("PLACED", "FIXED", "COVER")
COMPONENT_OPTIONS = {
    *("EEQMASTER", "SOURCE", "UNPLACED", "MASKSHIFT", "HALO", "ROUTEHALO", "WEIGHT", "REGION"),
    *("PROPERTY", "GENERATE", "FOREIGN", "PHYSICAL", *PLACES),
}
PIN_OPTIONS = {
    *("NET", "SPECIAL", "DIRECTION", "NETEXPR", "SUPPLYSENSITIVITY", "GROUNDSENSITIVITY", "USE"),
    *("PORT", "LAYER", "POLYGON", "VIA", "PROPERTY", *PLACES),
}
Place = tuple[int, int, str]


@dataclasses.dataclass(frozen=True)
class Component:
    """A component: its cell, and where its lower left corner is; None if it is not placed."""

    statement: Statement
    cell: str
    place: Place | None


@dataclasses.dataclass(frozen=True)
class Port:
    """Shapes of a pin of the design around `place`: options `LAYER`, `POLYGON` and `VIA`."""

    shapes: list[list[str]]
    place: Place | None


@dataclasses.dataclass(frozen=True)
class Terminal:
    """A pin of the design, and the net that it states."""

    statement: Statement
    net: str
    ports: list[Port]


def components(file: DefFile) -> dict[str, Component]:
    """Return the components by name."""
    found: dict[str, Component] = {}
    for statement in file.items("COMPONENTS"):
        name, cell = statement.words[1], statement.word(2, "the name of a cell")
        place = None
        for option in _options(statement, 3, COMPONENT_OPTIONS):
            if option[0] in PLACES:
                place = _place(statement, option)
        _once(statement, found, "component")
        found[name] = Component(statement, cell, place)
    return found


def terminals(file: DefFile) -> dict[str, Terminal]:
    """Return the pins of the design by name."""
    found: dict[str, Terminal] = {}
    for statement in file.items("PINS"):
        _once(statement, found, "pin")
        found[statement.words[1]] = _terminal(statement)
    return found


def _terminal(statement):
    net = ""
    ports: list[list[list[str]]] = [[]]
    for option in _options(statement, 2, PIN_OPTIONS):
        if option[0] == "NET":
            net = " ".join(option[1:])
        elif option[0] == "PORT":
            ports.append([])
        elif option[0] in ("LAYER", "POLYGON", "VIA", *PLACES):
            ports[-1].append(option)
    found = []
    for options in ports:
        places = [_place(statement, option) for option in options if option[0] in PLACES]
        shapes = [option for option in options if option[0] not in PLACES]
        if shapes or places:
            found.append(Port(shapes, places[-1] if places else None))
    return Terminal(statement, net, found)


def _options(statement, start, known):
    words = statement.words[start:]
    if words and words[0] != "+":
        raise statement.error("The options of an item start with +: correct it.")
    for option in split_options(words):
        if option[0] not in known and not option[0].startswith("ANTENNA"):
            raise statement.error(
                "An option of an item is one of those of DEF 5.8: correct or remove it.",
                f"+ {' '.join(option[:6])} of {statement.words[1]}",
            )
        yield option


def _place(statement, option):
    if len(option) != 6 or option[1] != "(" or option[4] != ")":
        raise statement.error(
            "A place is ( x y ) and an orientation: correct it.",
            f"+ {' '.join(option[:8])} of {statement.words[1]}",
        )
    x, y = statement.integer(option[2]), statement.integer(option[3])
    return x, y, orientation(statement, option[5])


def _once(statement, found, what):
    if statement.words[1] in found:
        raise statement.error(
            f"Each {what} has a name of its own: rename or remove one of the two.",
            f"{what} {statement.words[1]} for the second time",
        )


def die(file: DefFile) -> tuple[int, int, int, int]:
    """Return the bounding box of the die.

    Raises:
        ValueError: it has no area.
    """
    corners = np.array(die_corners(file))
    low, high = corners.min(axis=0), corners.max(axis=0)
    if not (low < high).all():
        raise file.heads["DIEAREA"][0].error(
            "The die has an area: state two opposite corners or more in DIEAREA."
        )
    return (*low.tolist(), *high.tolist())


def die_corners(file: DefFile) -> list[tuple[int, int]]:
    """Return the corners of the die: two opposite ones, or all those of a polygon."""
    statement = file.heads["DIEAREA"][0]
    corners = points(statement, statement.words[1:])
    if len(corners) < 2:
        raise statement.error("The die has an area: state two opposite corners or more in DIEAREA.")
    return corners
