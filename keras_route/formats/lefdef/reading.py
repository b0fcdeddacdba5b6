"""Placed designs from DEF and LEF files."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from keras_route.formats.lefdef.areas import add_blockages, add_fills, add_outside, tracks
from keras_route.formats.lefdef.def_file import DefFile, read_file
from keras_route.formats.lefdef.instances import CellShapes, ViaPlaces
from keras_route.formats.lefdef.library import Library, read_library, technology, via_shape
from keras_route.formats.lefdef.nets import net_items
from keras_route.formats.lefdef.placed import components, die, terminals
from keras_route.formats.lefdef.shape_table import ShapeTable
from keras_route.formats.lefdef.terminal_shapes import add_terminal, owners
from keras_route.formats.lefdef.vias import def_via
from keras_route.formats.lefdef.wire_rules import WireRules
from keras_route.formats.lefdef.wiring import net_options, regular_wiring, special_wiring
from keras_route.layout.design import NO_NET, Design
from keras_route.technology.technology import Technology

UNREAD = {  # rules of sections, by the words that start them
    "COMPONENTS": {"ROUTEHALO"},
    "PINS": {"SPACING", "DESIGNRULEWIDTH"},
    "BLOCKAGES": {"SPACING", "DESIGNRULEWIDTH"},
    "NETS": {"NONDEFAULTRULE", "SHIELDNET", "STYLE", "VPIN"},
    "SPECIALNETS": {"STYLE"},
}


def read_design(path: str | os.PathLike, *lef_paths: str | os.PathLike) -> Design:
    """Return a placed design.

    Args:
        path: the DEF file; a name that ends in `.gz` is unpacked, as with LEF files.
        lef_paths: LEF files with the technology and the cells of the design.

    Raises:
        ValueError: a file is damaged or cut short, or the files do not fit each other.
    """
    return Reading.of(path, lef_paths).design()


class Reading:
    """The files of a design, while they are read.

    Args:
        file: the DEF file.
        library: what the LEF files define.
        plain: the technology of the library.
    """

    @classmethod
    def of(cls, path: str | os.PathLike, lef_paths: Sequence[str | os.PathLike]) -> "Reading":
        """Return the reading of files."""
        library = read_library(lef_paths)
        return cls(read_file(path), library, technology(library))

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
        self.rules = WireRules(library, file, plain, self.vias)
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
        add_blockages(self.file, self.table)
        add_fills(self.file, self.table, self.vias)
        add_outside(self.file, self.table)
        self.vias.draw()
        nets = {name: self.items[name].pins for name in self.routed}
        shapes = self.table.shapes()
        self._check_inside(shapes, list(nets.items()))
        unread = dict.fromkeys((*self.technology.unread, *_unread(self.file)))
        return Design(
            name=self.file.name,
            dbu_per_um=self.dbu_per_um,
            die=self.die,
            technology=dataclasses.replace(self.technology, unread=tuple(unread)),
            tracks=tracks(self.file, self.table),
            nets=nets,
            shapes=shapes,
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
        found = terminals(self.file)
        owner = owners(self.items, self.routed, found)
        for name, terminal in found.items():
            add_terminal(terminal, owner[name], self.table, self.vias)

    def _check_inside(self, shapes, nets):
        left, bottom, right, top = self.die
        x0, y0, x1, y1 = shapes.box.T
        outside = (x1 < left) | (x0 > right) | (y1 < bottom) | (y0 > top)
        for i in np.flatnonzero(outside & (shapes.pin >= 0))[:1]:
            name, pins = nets[shapes.net[i]]
            raise self.items[name].statement.error(
                "The pins of nets lie in the die: correct DIEAREA, or the place of the pin.",
                f"net {name} with ( {' '.join(pins[shapes.pin[i]])} ) at {shapes.box[i].tolist()}, "
                f"die {list(self.die)}",
            )

    def _special_nets(self):
        for statement in self.file.items("SPECIALNETS"):
            options = net_options(statement, statement.words[2:])
            wiring = special_wiring(statement, options, self.rules)
            self._add(wiring, self.routed.get(statement.words[1], NO_NET))

    def _wires(self):
        for name, item in self.items.items():
            wiring = regular_wiring(item.statement, item.options, self.rules)
            self._add(wiring, self.routed.get(name, NO_NET))

    def _add(self, wiring, net):
        for layer in dict.fromkeys(box[0] for box in wiring.boxes):
            boxes = [box[1:] for box in wiring.boxes if box[0] == layer]
            self.table.add(self.table.index(layer, wiring.statement), boxes, net)
        for via in wiring.vias:
            self.vias.add(*via, net, wiring.statement)


def _unread(file):
    """Yield the rules of a DEF file that a design does not hold."""
    for section, rules in UNREAD.items():
        there = set().union(*(rules & set(item.words) for item in file.items(section)))
        yield from (f"{section} {rule}" for rule in sorted(there))
