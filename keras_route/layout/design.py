"""A placed design: its pins, what is in the way of wires, its tracks; and the wires of its nets."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_route.technology.technology import Technology

NO_NET = -1


@dataclasses.dataclass(frozen=True)
class Tracks:
    """Lines `start + k * step`, 0 <= k < count, on which wires of a layer may run.

    Args:
        vertical: whether the lines are vertical (`TRACKS X`, their coordinates are x).
        start: coordinate of the first, in database units.
        count: of lines.
        step: from one to the next, in database units.
        layer: name of the routing layer.
    """

    vertical: bool
    start: int
    count: int
    step: int
    layer: str


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Rectangles of metal and cuts.

    Args:
        layer: (n,) integers, index into `Technology.layer_names`: even for metals, odd for cuts.
        box: (n, 4) integers, left, bottom, right, top in database units.
        net: (n,) integers, index into `Design.nets`, or `NO_NET`.
        pin: (n,) integers, index of a pin within its net; -1 for shapes that are no pin.
    """

    layer: np.ndarray
    box: np.ndarray
    net: np.ndarray
    pin: np.ndarray

    def __len__(self) -> int:
        return len(self.layer)


@dataclasses.dataclass(frozen=True)
class Design:
    """A placed design, whose coordinates are integers in database units, y upwards.

    Args:
        name: of the design.
        dbu_per_um: database units in a micrometre.
        die: left, bottom, right, top of the bounding box of the die.
        technology: layers and rules.
        tracks: on which wires may run.
        nets: name of each net to route, to the (component, pin) pairs that it joins; the component
            of a pin of the design is `"PIN"`.
        shapes: all shapes: those of the pins of nets, and what is in the way: pins without net,
            obstructions of cells, blockages, supply, and wires that are there already.
    """

    name: str
    dbu_per_um: int
    die: tuple[int, int, int, int]
    technology: Technology
    tracks: tuple[Tracks, ...]
    nets: Mapping[str, tuple[tuple[str, str], ...]]
    shapes: Shapes


@dataclasses.dataclass(frozen=True)
class Wires:
    """Centre lines of wires, and vias, of the nets of a design, in database units.

    A wire has the width of its layer, and reaches half of it beyond both ends (as in DEF).

    Args:
        wires: (w, 6) integers: index of the net, index of the metal in `Technology.metals`, and
            x0, y0, x1, y1 with x0 <= x1 and y0 <= y1. One that is not longer than 0 is a patch.
        vias: (v, 4) integers: index of the net, index into `Technology.vias`, x and y.
    """

    wires: np.ndarray
    vias: np.ndarray
