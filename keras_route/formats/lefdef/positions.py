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
from keras_route.formats.lefdef.vias import corners_of


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
    pins, placed, nets = terminals(file), components(file), net_items(file)
    owners(nets, {}, pins)
    edges = die(file)

    def position(net, pin):
        component, name = pin
        if component == "PIN":
            found = _of_terminal(pins[name])
        else:
            found = _of_component(placed.get(component), cells, name, units)
        if found is None:
            raise net.statement.error(
                "Each pin of a net belongs to a placed component, of a cell in the LEF files, or "
                "is a placed pin of the design, and has a rectangle or polygon: place it, or add "
                "the LEF file that has the geometry of its cell.",
                f"net {net.statement.words[1]} with ( {component} {name} )",
            )
        corners, at = found
        if (corners.max(axis=0) < edges[:2]).any() or (corners.min(axis=0) > edges[2:]).any():
            raise net.statement.error(
                "The pins of nets lie in the die: correct DIEAREA, or the place of the pin.",
                f"net {net.statement.words[1]} with ( {component} {name} )",
            )
        return at / units

    return Design(
        name=file.name,
        die_um=(edges[0] / units, edges[1] / units, edges[2] / units, edges[3] / units),
        nets={
            name: np.array([position(net, pin) for pin in net.pins], float).reshape(-1, 2)
            for name, net in nets.items()
        },
    )


def _of_terminal(terminal):
    """Return corners and position of a pin of the design; None without place or shape."""
    for port in terminal.ports:
        drawn = [words for words in port.shapes if words[0] != "VIA"]
        if port.place is not None and drawn:
            corners = corners_of(terminal.statement, drawn[0])
            turn = np.array(TURNS[port.place[2]])
            return tuple(port.place[:2] + at @ turn.T for at in (corners, _point(corners)))
    return None


def _of_component(component, cells, pin, units):
    """Return corners and position of a component's pin; DEF places its lower left corner."""
    cell = cells.get(component.cell) if component else None
    if cell is None or component.place is None or not cell.pins.get(pin):
        return None
    drawn = cell.pins[pin]
    first = next((figure for figure in drawn if len(figure.corners) == 2), drawn[0])
    turn = np.array(TURNS[component.place[2]])
    corner = np.minimum(turn @ cell.size, 0)
    return tuple(
        component.place[:2] + ((at + cell.origin) @ turn.T - corner) * units
        for at in (first.corners, _point(first.corners))
    )


def _point(corners):
    return corners.mean(axis=0) if len(corners) == 2 else inside(corners)
