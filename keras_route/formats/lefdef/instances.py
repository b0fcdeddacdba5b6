"""Shapes of all components of one cell, and of all places of one via, at once."""

from collections.abc import Mapping

import numpy as np

from keras_route.formats.lefdef.def_file import DefFile
from keras_route.formats.lefdef.geometry import in_units
from keras_route.formats.lefdef.library import Cell, Library
from keras_route.formats.lefdef.orientations import turned
from keras_route.formats.lefdef.placed import Component
from keras_route.formats.lefdef.shape_table import ShapeTable
from keras_route.formats.lefdef.statements import Statement
from keras_route.formats.lefdef.vias import def_via, lef_via
from keras_route.layout.design import NO_NET


class ViaPlaces:
    """Collects places of vias, and draws them.

    Args:
        library: with the vias of LEF files.
        file: with its own.
        table: gets the shapes.
    """

    def __init__(self, library: Library, file: DefFile, table: ShapeTable):
        self.library, self.table, self.dbu_per_um = library, table, file.dbu_per_um
        self.own: dict[str, Statement] = {}
        for statement in file.items("VIAS"):
            if statement.words[1] in self.own or statement.words[1] in library.via_blocks:
                raise statement.error(
                    "Each via has a name of its own: rename or remove one of the two.",
                    f"via {statement.words[1]} for the second time",
                )
            self.own[statement.words[1]] = statement
        self.boxes: dict[str, list[tuple[int, np.ndarray]]] = {}
        self.places: dict[tuple[str, str], list[tuple[int, int, int]]] = {}

    def of(self, name: str, place) -> list[tuple[int, np.ndarray]]:
        """Return the boxes of a via by the index of their layer.

        Raises:
            ValueError: no file has the via.
        """
        if name not in self.boxes:
            if name in self.own:
                found = def_via(self.own[name])
            elif name in self.library.via_blocks:
                found = lef_via(self.library.via_blocks[name], self.dbu_per_um)
            else:
                raise place.error(
                    "A via is one of the LEF files or of VIAS in the DEF file: add the file that "
                    "has it.",
                    f"via {name} of {' '.join(place.words[:2])}",
                )
            self.boxes[name] = [
                (self.table.index(layer, place), boxes) for layer, boxes in found.items()
            ]
        return self.boxes[name]

    def add(self, name: str, turn: str, x: int, y: int, net: int, place) -> None:
        """Note a via at (x, y)."""
        self.of(name, place)
        self.places.setdefault((name, turn), []).append((x, y, net))

    def draw(self) -> None:
        """Add the shapes of all vias to the table."""
        for (name, turn), places in self.places.items():
            x, y, net = np.array(places, np.int64).T
            corner = np.stack((x, y, x, y), axis=1)
            for layer, boxes in self.boxes[name]:
                moved = corner[:, None] + turned(boxes, turn)[None]
                self.table.add(layer, moved, np.repeat(net, len(boxes)))


class CellShapes:
    """Draws the cells of all components.

    Args:
        library: with the cells.
        components: by name.
        dbu_per_um: database units in a micrometre.
        table: gets the shapes.
        vias: with the vias of cells.
    """

    def __init__(
        self,
        library: Library,
        components: Mapping[str, Component],
        dbu_per_um: int,
        table: ShapeTable,
        vias: ViaPlaces,
    ):
        self.cells, self.components = library.cells, components
        self.dbu_per_um, self.table, self.vias = dbu_per_um, table, vias
        self.numbers: dict[str, dict[str, int]] = {
            name: {pin: k for k, pin in enumerate(cell.pins)} for name, cell in self.cells.items()
        }
        self.owners: dict[str, list[tuple[int, int, int]]] = {}
        for name, component in components.items():
            if component.cell not in self.cells:
                raise component.statement.error(
                    "Each component is of a cell in the LEF files: add the LEF file that has it.",
                    f"component {name} of cell {component.cell}",
                )

    def connect(self, statement, net: int, pin: int, component: str, name: str) -> None:
        """Say that a pin of a component is a pin of a net.

        Raises:
            ValueError: there is no such pin, or it has no place or shape.
        """
        found = self.components.get(component)
        cell = self.cells.get(found.cell) if found else None
        if found is None or found.place is None or cell is None or not cell.pins.get(name):
            raise statement.error(
                "Each pin of a net belongs to a placed component, of a cell in the LEF files, or "
                "is a placed pin of the design, and has a rectangle or polygon: place it, or add "
                "the LEF file that has the geometry of its cell.",
                f"net {statement.words[1]} with ( {component} {name} )",
            )
        number = self.numbers[found.cell][name]
        self.owners.setdefault(component, []).append((number, net, pin))

    def draw(self) -> None:
        """Add the shapes of all placed components to the table."""
        groups: dict[tuple[str, str], list[str]] = {}
        for name, component in self.components.items():
            if component.place is not None:
                groups.setdefault((component.cell, component.place[2]), []).append(name)
        shapes = {
            cell: self._shapes(self.cells[cell]) for cell in dict.fromkeys(c for c, _ in groups)
        }
        for (cell, turn), names in groups.items():
            self._draw(self.cells[cell], shapes[cell], turn, names)

    def _shapes(self, cell: Cell):
        """Return layer, boxes, number of the pin, and whether wires may end there, of all shapes.

        Wires end in what lies inside a slanted shape; what covers it is metal of the pin, too.
        """
        parts: list[tuple[int, np.ndarray, int, bool]] = []
        for number, figures in enumerate((*cell.pins.values(), cell.obstructions)):
            for figure in figures:
                layer = self.table.index(figure.layer, figure.statement)
                boxes = figure.boxes(self.dbu_per_um, cell.origin)
                parts.append((layer, boxes, number, not figure.slanted))
                if figure.slanted:
                    inner = figure.inner_boxes(self.dbu_per_um, cell.origin)
                    parts.append((layer, inner, number, True))
        for pin, via in cell.vias:
            at = in_units(via.statement, np.array(via.at) + cell.origin, self.dbu_per_um)
            number = len(cell.pins) if pin is None else self.numbers[cell.block.name][pin]
            for layer, boxes in self.vias.of(via.name, via.statement):
                parts.append((layer, boxes + np.tile(at, 2), number, True))
        counts = [len(boxes) for _, boxes, _, _ in parts]
        columns = [
            np.repeat(np.array([part[k] for part in parts], np.int64), counts) for k in (0, 2, 3)
        ]
        boxes = np.concatenate([part[1] for part in parts] or [np.zeros((0, 4), np.int64)])
        return columns[0], boxes, columns[1], columns[2].astype(bool)

    def _draw(self, cell, shapes, turn, names):
        layer, boxes, number, ends = shapes
        size = np.rint(cell.size * self.dbu_per_um).astype(np.int64)
        frame = turned(np.array([[0, 0, *size]]), turn)[0, :2]
        local = turned(boxes, turn) - np.tile(frame, 2)
        corner = np.array([self.components[name].place[:2] for name in names], np.int64)
        owner = np.full((2, len(names), len(cell.pins) + 1), NO_NET)
        for k, name in enumerate(names):
            for pin, net, index in self.owners.get(name, ()):
                owner[:, k, pin] = net, index
        moved = local[None] + np.tile(corner, 2)[:, None]
        net, pin = owner[:, :, number]
        self.table.add(
            np.tile(layer, len(names)), moved, net.ravel(), np.where(ends, pin, -1).ravel()
        )
