"""Shapes of the pins of a design, and whether pins and nets agree."""

import re
from collections.abc import Mapping

import numpy as np

from keras_route.formats.lefdef.instances import ViaPlaces
from keras_route.formats.lefdef.nets import NetItem
from keras_route.formats.lefdef.orientations import turned
from keras_route.formats.lefdef.placed import Terminal
from keras_route.formats.lefdef.shape_table import ShapeTable
from keras_route.formats.lefdef.vias import corners_as_boxes, points
from keras_route.layout.design import NO_NET

Owner = tuple[int, int]  # indices of net and pin


def owners(
    items: Mapping[str, NetItem], routed: Mapping[str, int], terminals: Mapping[str, Terminal]
) -> dict[str, Owner]:
    """Return the owner of each pin of the design.

    A pin `name.extra1` is more metal of the pin `name` of the same net.

    Raises:
        ValueError: a net has a pin that is not in `PINS`, or that states another net.
    """
    listed = {
        pin: (name, j)
        for name, item in items.items()
        for j, (component, pin) in enumerate(item.pins)
        if component == "PIN"
    }
    for pin, (net, _) in listed.items():
        stated = terminals[pin].net if pin in terminals else None
        if stated != net:
            raise items[net].statement.error(
                "A pin of a net is in PINS, and states this net there: correct one of the two.",
                f"net {net} with ( PIN {pin} ), and "
                + ("no such pin" if stated is None else f"pin {pin} with net {stated}"),
            )
    found = {}
    for pin, terminal in terminals.items():
        net, j = listed.get(pin) or listed.get(re.sub(r"\.extra\d+$", "", pin), ("", -1))
        if net != terminal.net and terminal.net in items:
            raise terminal.statement.error(
                "A pin that states a net is one of the pins of this net: correct one of the two.",
                f"pin {pin} with net {terminal.net}",
            )
        found[pin] = (routed[net], j) if net in routed else (NO_NET, -1)
    return found


def add_terminal(terminal: Terminal, owner: Owner, table: ShapeTable, vias: ViaPlaces) -> None:
    """Add the shapes of a pin.

    Raises:
        ValueError: the pin is one of a net, and has no place or no shape.
    """
    drawn = 0
    for port in terminal.ports:
        for words in port.shapes if port.place is not None else ():
            drawn += _add_shape(terminal.statement, words, port.place, owner, table, vias)
    if owner[1] >= 0 and not drawn:
        raise terminal.statement.error(
            "Each pin of a net belongs to a placed component, of a cell in the LEF files, or is a "
            "placed pin of the design, and has a rectangle or polygon: place it, or add the LEF "
            "file that has the geometry of its cell.",
            f"net {terminal.net} with ( PIN {terminal.statement.words[1]} )",
        )


def _add_shape(statement, words, place, owner, table, vias):
    x, y, turn = place
    if words[0] == "VIA":
        for at in points(statement, words[words.index("(") :] if "(" in words else []):
            dx, dy = turned(np.array([[*at, *at]]), turn)[0, :2].tolist()
            vias.add(words[1], turn, x + dx, y + dy, owner[0], statement)
        return 0
    boxes = turned(corners_as_boxes(statement, words), turn) + np.array((x, y, x, y))
    table.add(table.index(words[1], statement), boxes, *owner)
    return len(boxes)
