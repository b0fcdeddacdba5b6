"""The fixed shapes of a design on the lattice: supply, obstructions, pins."""

from typing import NamedTuple

import numpy as np

from keras_route.chip.compiled.occupancy import TAKEN, Occupancy, block_all
from keras_route.chip.lattice import Lattice
from keras_route.layout.design import NO_NET, Design


class Pins(NamedTuple):
    """The shapes of pins on metals that have wires, sorted by net.

    Args:
        planes: (n,) plane of each.
        boxes: (n, 4).
        spaces: (n,) that others keep to each.
        nets: (n,) index of the net.
    """

    planes: np.ndarray
    boxes: np.ndarray
    spaces: np.ndarray
    nets: np.ndarray

    def of(self, net: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return planes, boxes and spaces of the shapes of a net's pins."""
        own = slice(*np.searchsorted(self.nets, (net, net + 1)))
        return self.planes[own], self.boxes[own], self.spaces[own]


def pins_on_planes(design: Design, lattice: Lattice, around: np.ndarray) -> Pins:
    """Return the shapes of pins of a design on the planes of its lattice.

    Args:
        design: the design.
        lattice: its lattice.
        around: the `spaces` of the design.
    """
    shapes = design.shapes
    planes = shapes.layer // 2 - lattice.lowest
    inside = (shapes.layer % 2 == 0) & (planes >= 0) & (planes < lattice.planes)
    order = np.flatnonzero(inside & (shapes.pin >= 0) & (shapes.net != NO_NET))
    order = order[np.argsort(shapes.net[order], kind="stable")]
    columns = planes[order], shapes.box[order], around[order], shapes.net[order]
    return Pins(*(np.ascontiguousarray(column, np.int64) for column in columns))


def spaces(design: Design) -> np.ndarray:
    """Return the space that others keep to each shape of a design, (n,) in database units.

    A wire may run along the whole shape, so its longer side is the parallel length.
    """
    technology, dbu, shapes = design.technology, design.dbu_per_um, design.shapes
    sides = shapes.box[:, 2:] - shapes.box[:, :2]
    kinds, which = np.unique(
        np.stack([shapes.layer, sides.min(axis=1), sides.max(axis=1)], axis=1),
        axis=0,
        return_inverse=True,
    )
    found = []
    for layer, width, length in kinds.tolist():
        if layer % 2:
            found.append(technology.cuts[layer // 2].spacing_um)
        else:
            metal = technology.metals[layer // 2]
            wide = max(width / dbu, metal.width_um)
            found.append(metal.spacing.space_um(wide, length / dbu))
    return np.round(np.multiply(found, dbu)).astype(np.int64)[which.ravel()]


def block(design: Design, lattice: Lattice, at: Occupancy, around: np.ndarray) -> None:
    """Take the places around the shapes of a design.

    Args:
        design: the design.
        lattice: its lattice.
        at: the occupancy, which is changed.
        around: the `spaces` of the design.
    """
    shapes = design.shapes
    cuts = shapes.layer % 2 == 1
    planes = shapes.layer // 2 - lattice.lowest + cuts  # the level of a cut
    inside = np.flatnonzero((planes >= 0) & (planes < lattice.planes))
    inside = inside[~cuts[inside] | (lattice.via[planes[inside]] >= 0)]
    nets = np.where(shapes.net == NO_NET, TAKEN, shapes.net)
    block_all(
        at,
        planes[inside],
        cuts[inside],
        shapes.box[inside].astype(np.int64),
        around[inside],
        nets[inside].astype(np.int64),
    )
