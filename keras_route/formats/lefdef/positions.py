"""Where the pins of a placed design are: one point for each, in micrometres."""

import dataclasses
import os

import numpy as np

from keras_route.formats.lefdef.def_file import read_file
from keras_route.formats.lefdef.library import read_library
from keras_route.formats.lefdef.nets import net_items
from keras_route.formats.lefdef.orientations import TURNS
from keras_route.formats.lefdef.placed import components, die, terminals
from keras_route.formats.lefdef.polygons import inside
from keras_route.formats.lefdef.terminal_shapes import owners
from keras_route.formats.lefdef.vias import points


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
    """Return the nets of a placed design, each pin as one point.

    The position of a pin is the centre of the first rectangle of its geometry. A pin without
    rectangle lies inside its first polygon. `read_design` returns all shapes with their layers, and
    what is in the way.

    Args:
        path: the DEF file.
        lef_paths: LEF files with the cells of the design.

    Raises:
        ValueError: a file is damaged or cut short, or a net has a pin that is not placed or that
            the LEF files do not describe.
    """
    cells = read_library(lef_paths).cells
    file = read_file(path)
    units = file.dbu_per_um
    pins = terminals(file)
    places = {("PIN", name): _of_terminal(pin) for name, pin in pins.items()}
    placed = components(file)
    nets = net_items(file)
    owners(nets, {}, pins)
    left, bottom, right, top = die(file)

    def position(net, pin):
        at = places.get(pin) if pin[0] == "PIN" else None
        if pin[0] in placed:
            at = _of_component(placed[pin[0]], cells, pin[1], units)
        if at is None:
            raise net.statement.error(
                "Each pin of a net belongs to a placed component, of a cell in the LEF files, or "
                "is a placed pin of the design, and has a rectangle or polygon: place it, or add "
                "the LEF file that has the geometry of its cell.",
                f"net {net.statement.words[1]} with ( {' '.join(pin)} )",
            )
        if not (left <= at[0] <= right and bottom <= at[1] <= top):
            raise net.statement.error(
                "The pins of nets lie in the die: correct DIEAREA, or the place of the pin.",
                f"net {net.statement.words[1]} with ( {' '.join(pin)} ) at {at.tolist()}",
            )
        return at / units

    return Design(
        name=file.name,
        die_um=tuple(edge / units for edge in (left, bottom, right, top)),
        nets={
            name: np.array([position(net, pin) for pin in net.pins], float).reshape(-1, 2)
            for name, net in nets.items()
        },
    )


def _of_terminal(terminal):
    """Return the position of a pin of the design; None if it is not placed or has no shape."""
    for port in terminal.ports:
        drawn = [words for words in port.shapes if words[0] != "VIA"]
        if port.place is not None and drawn:
            words = drawn[0]
            corners = np.array(points(terminal.statement, words[words.index("(") :]))
            at = inside(corners) if words[0] == "POLYGON" else corners.mean(axis=0)
            return port.place[:2] + np.array(TURNS[port.place[2]]) @ at
    return None


def _of_component(component, cells, pin, units):
    """Return the position of a component's pin; DEF places its lower left corner."""
    cell = cells.get(component.cell)
    if component.place is None or cell is None or not cell.pins.get(pin):
        return None
    drawn = cell.pins[pin]
    first = next((figure for figure in drawn if len(figure.corners) == 2), drawn[0])
    at = first.corners.mean(axis=0) if len(first.corners) == 2 else inside(first.corners)
    turn = np.array(TURNS[component.place[2]])
    corner = np.minimum(turn @ cell.size, 0)
    return component.place[:2] + (turn @ (at + cell.origin) - corner) * units
