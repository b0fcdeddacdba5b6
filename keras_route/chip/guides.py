"""Boxes in which the wires of nets are to run, as places of the lattice."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_route.chip.lattice import Lattice
from keras_route.formats.lefdef import Guide
from keras_route.layout.design import Design


def guides_on(
    lattice: Lattice, design: Design, guides: Mapping[str, Sequence[Guide]]
) -> dict[int, np.ndarray]:
    """Return for each net the boxes (b, 5) of its guides: plane, and rows and columns from, to.

    Guides on metals without wires are left out; those on the metal of the pins count for the
    lowest metal with wires, because pins are reached from there.

    Raises:
        ValueError: a name is not that of a net of the design.
    """
    index = {name: net for net, name in enumerate(design.nets)}
    metals = {metal.name: k for k, metal in enumerate(design.technology.metals)}
    found = {}
    for name, boxes in guides.items():
        if name not in index:
            raise ValueError(
                "Guides belong to nets of the design: leave out the others. "
                f"Received: guides of net {name!r}"
            )
        rows = []
        for layer, (left, bottom, right, top) in boxes:
            plane = max(metals[layer] - lattice.lowest, 0)
            if plane < lattice.planes:
                j0, j1 = np.searchsorted(lattice.y, (bottom, top + 1))
                i0, i1 = np.searchsorted(lattice.x, (left, right + 1))
                rows.append((plane, j0, i0, j1, i1))
        if rows:
            found[index[name]] = np.array(rows, np.int64)
    return found
