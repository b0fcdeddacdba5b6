"""Placed designs from DEF and LEF files."""

import dataclasses
import os

import numpy as np

from keras_route.formats.lefdef.def_file import DefFile, read_file
from keras_route.formats.lefdef.instances import CellShapes, ViaPlaces
from keras_route.formats.lefdef.library import Library, read_library, technology, via_shape
from keras_route.formats.lefdef.nets import NetItem, net_items
from keras_route.formats.lefdef.orientations import turned
from keras_route.formats.lefdef.placed import components, die, terminals
from keras_route.formats.lefdef.shape_table import ShapeTable
from keras_route.formats.lefdef.vias import corners_as_boxes, def_via, points
from keras_route.formats.lefdef.wiring import net_options, regular_wiring, special_wiring
from keras_route.layout.design import NO_NET, Design, Tracks
from keras_route.technology.technology import Technology


def read_design(path: str | os.PathLike, *lef_paths: str | os.PathLike) -> Design:
    """Return a placed design.

    Args:
        path: the DEF file; a name that ends in `.gz` is unpacked, as with LEF files.
        lef_paths: LEF files with the technology and the cells of the design.

    Raises:
        ValueError: a file is damaged or cut short, or the files do not fit each other.
    """
    library = read_library(lef_paths)
    return _Reading(read_file(path), library, technology(library)).design()


class _Reading:
    def __init__(self, file: DefFile, library: Library, plain: Technology):
        self.file, self.library = file, library
        self.dbu_per_um = file.dbu_per_um
        self.die = die(file)
        order = {name: i for i, name in enumerate(plain.layer_names)}
        self.table = ShapeTable(order, library.layers)
        self.vias = ViaPlaces(library, file, self.table)
        more = [
            via_shape(statement, def_via(statement), self.dbu_per_um, order, False)
            for statement in file.items("VIAS")
        ]
        self.technology = dataclasses.replace(plain, vias=(*plain.vias, *more))
        self.items = net_items(file)
        self.routed = {
            name: i for i, name in enumerate(n for n, item in self.items.items() if not item.supply)
        }

    def design(self) -> Design:
        """Return the design."""
        self._components()
        self._terminals()
        self._special_nets()
        self._wires()
        self._blockages()
        self._fills()
        self.vias.draw()
        return Design(
            name=self.file.name,
            dbu_per_um=self.dbu_per_um,
            die=self.die,
            technology=self.technology,
            tracks=self._tracks(),
            nets={name: self.items[name].pins for name in self.routed},
            shapes=self.table.shapes(),
        )

    def _components(self):
        found = components(self.file)
        shapes = CellShapes(self.library, found, self.dbu_per_um, self.table, self.vias)
        for name, i in self.routed.items():
            item = self.items[name]
            for j, (component, pin) in enumerate(item.pins):
                if component != "PIN":
                    shapes.connect(item.statement, i, j, component, pin)
        shapes.draw()

    def _terminals(self):
        owners = {
            pin: (i, j)
            for name, i in self.routed.items()
            for j, (component, pin) in enumerate(self.items[name].pins)
            if component == "PIN"
        }
        found = terminals(self.file)
        for name, terminal in found.items():
            net, pin = owners.get(name, (self.routed.get(terminal.net, NO_NET), -1))
            drawn = 0
            for port in terminal.ports:
                if port.place is None:
                    continue
                for words in port.shapes:
                    drawn += self._terminal_shape(terminal.statement, words, port.place, net, pin)
            if pin >= 0 and not drawn:
                self._without_place(name)
        for name in owners:
            if name not in found:
                self._without_place(name)

    def _terminal_shape(self, statement, words, place, net, pin):
        x, y, turn = place
        if words[0] == "VIA":
            at = points(statement, words[words.index("(") :])[0]
            dx, dy = turned(np.array([[*at, *at]]), turn)[0, :2].tolist()
            self.vias.add(words[1], turn, x + dx, y + dy, net, statement)
            return 1
        boxes = turned(corners_as_boxes(statement, words), turn) + np.array((x, y, x, y))
        self.table.add(self.table.index(words[1], statement), boxes, net, pin)
        return len(boxes)

    def _without_place(self, pin):
        owner = next(n for n in self.routed if ("PIN", pin) in self.items[n].pins)
        raise self.items[owner].statement.error(
            "Each pin of a net belongs to a placed component, of a cell in the LEF files, or is a "
            "placed pin of the design, and has a rectangle or polygon: place it, or add the LEF "
            "file that has the geometry of its cell.",
            f"net {owner} with ( PIN {pin} )",
        )

    def _special_nets(self):
        for statement in self.file.items("SPECIALNETS"):
            options = net_options(statement, statement.words[2:])
            self._add(
                special_wiring(statement, options), self.routed.get(statement.words[1], NO_NET)
            )

    def _wires(self):
        widths = {
            metal.name: round(metal.width_um * self.dbu_per_um) for metal in self.technology.metals
        }
        for name, item in self.items.items():
            wiring = regular_wiring(
                item.statement,
                item.options,
                lambda layer, item=item: self._width(item, layer, widths),
            )
            self._add(wiring, self.routed.get(name, NO_NET))

    def _width(self, item: NetItem, layer, widths):
        if layer not in widths:
            raise item.statement.error(
                "Wires run on routing layers of the LEF files: add the file that has the layer.",
                f"layer {layer} of net {item.statement.words[1]}",
            )
        return widths[layer]

    def _add(self, wiring, net):
        for layer in dict.fromkeys(box[0] for box in wiring.boxes):
            boxes = [box[1:] for box in wiring.boxes if box[0] == layer]
            self.table.add(self.table.index(layer, wiring.statement), boxes, net)
        for via in wiring.vias:
            self.vias.add(*via, net, wiring.statement)

    def _blockages(self):
        for statement in self.file.items("BLOCKAGES"):
            words = statement.words
            if words[1] != "LAYER" or {"SLOTS", "FILLS"} & set(words):
                continue
            self._areas(statement, words[2:])

    def _fills(self):
        for statement in self.file.items("FILLS"):
            words = statement.words
            if words[1] == "LAYER":
                self._areas(statement, words[2:])
            else:
                for x, y in points(statement, words[words.index("(") :]):
                    self.vias.add(words[2], "N", x, y, NO_NET, statement)

    def _areas(self, statement, words):
        layer = self.table.index(words[0], statement)
        start, kinds = None, ("RECT", "POLYGON")
        for i in range(len(words) + 1):
            if i == len(words) or words[i] in kinds:
                if start is not None:
                    self.table.add(layer, corners_as_boxes(statement, words[start:i]))
                start = i

    def _tracks(self):
        found = []
        metals = [metal.name for metal in self.technology.metals]
        for statement in self.file.heads.get("TRACKS", ()):
            words = statement.words
            if (
                len(words) < 7
                or words[1] not in ("X", "Y")
                or (words[3], words[5]) != ("DO", "STEP")
            ):
                raise statement.error(
                    "Tracks are TRACKS X or Y, start DO number STEP distance LAYER names: correct "
                    "them."
                )
            start, count, step = (statement.integer(words[k]) for k in (2, 4, 6))
            layers = words[words.index("LAYER") + 1 :] if "LAYER" in words else metals
            if not (count > 0 and step > 0):
                raise statement.error(
                    "Number and distance of tracks are more than 0: correct them."
                )
            for layer in layers:
                if self.table.index(layer, statement) >= 0:
                    found.append(Tracks(words[1] == "X", start, count, step, layer))
        return tuple(found)
