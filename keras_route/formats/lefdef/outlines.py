"""Where the components of a placed design lie."""

import os
from collections.abc import Mapping

import numpy as np

from keras_route.formats.lefdef.def_file import read_file
from keras_route.formats.lefdef.library import read_library
from keras_route.formats.lefdef.orientations import turned
from keras_route.formats.lefdef.placed import components
from keras_route.technology.technology import Box


def read_outlines(path: str | os.PathLike, *lef_paths: str | os.PathLike) -> Mapping[str, Box]:
    """Return name of each placed component to left, bottom, right, top in database units.

    Args:
        path: the DEF file.
        lef_paths: LEF files with the cells of the design.

    Raises:
        ValueError: a file is damaged, or a component is of an unknown cell.
    """
    file, library = read_file(path), read_library(lef_paths)
    found = {}
    for name, component in components(file).items():
        if component.cell not in library.cells:
            raise component.statement.error(
                "Each component is of a cell in the LEF files: add the LEF file that has it.",
                f"component {name} of cell {component.cell}",
            )
        if component.place is not None:
            x, y, turn = component.place
            size = np.rint(library.cells[component.cell].size * file.dbu_per_um).astype(int)
            left, bottom, right, top = turned(np.array([[0, 0, *size]]), turn)[0]
            found[name] = (x, y, x + int(right - left), y + int(top - bottom))
    return found
