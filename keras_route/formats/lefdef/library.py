"""The library of a design: its technology and its cells, from LEF files."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_route.formats.lefdef.geometry import Figure, Placed, figures
from keras_route.formats.lefdef.layers import stack, unread_rules
from keras_route.formats.lefdef.lef_blocks import Block, read_lef
from keras_route.formats.lefdef.vias import lef_via
from keras_route.technology.technology import Technology, ViaShape

NM = 10**6  # units in a micrometre, finer than any LEF file: a via is read before its DEF file


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a LEF file, in micrometres.

    Args:
        block: which defines it.
        size: array (2,), along x and y.
        origin: array (2,): what moves the cell's lower left corner to (0, 0).
        pins: name of each pin to its shapes.
        obstructions: other shapes.
        vias: vias of pins and obstructions (name of the pin, or None, and the via).
    """

    block: Block
    size: np.ndarray
    origin: np.ndarray
    pins: Mapping[str, list[Figure]]
    obstructions: list[Figure]
    vias: list[tuple[str | None, Placed]]


@dataclasses.dataclass(frozen=True)
class Library:
    """What LEF files define.

    Args:
        layers: all of them by name, from below.
        via_blocks: fixed vias by name.
        cells: by name.
        rules: name of each rule other than the default to its widths in micrometres, by layer.
        grid_um: on which shapes are drawn.
        unread: names of rules that are not read.
    """

    layers: Mapping[str, Block]
    via_blocks: Mapping[str, Block]
    cells: Mapping[str, Cell]
    rules: Mapping[str, Mapping[str, float]]
    grid_um: float
    unread: tuple[str, ...]


def read_library(lef_paths: Sequence[str | os.PathLike]) -> Library:
    """Return what LEF files define together.

    Raises:
        ValueError: a file is damaged, or a name is defined twice.
    """
    libraries = [read_lef(path) for path in lef_paths]
    unread: dict[str, None] = {}
    cells = {
        name: _cell(block, unread) for name, block in _by_name(libraries, "MACRO", "cell").items()
    }
    layers = _by_name(libraries, "LAYER", "layer")
    for block in layers.values():
        unread.update(dict.fromkeys(unread_rules(block)))
    for library in libraries:
        names = {"SPACING", "NONDEFAULTRULE", "MAXVIASTACK"}
        found = [block.keyword for block in library.blocks] + [
            s.words[0] for s in library.statements
        ]
        unread.update(dict.fromkeys(name for name in found if name in names))
    return Library(
        layers=layers,
        via_blocks=_by_name(libraries, "VIA", "via"),
        cells=cells,
        rules={
            name: _widths(block)
            for name, block in _by_name(libraries, "NONDEFAULTRULE", "rule").items()
        },
        grid_um=_grid(libraries),
        unread=tuple(unread),
    )


def _by_name(libraries, keyword, what):
    found: dict[str, Block] = {}
    for library in libraries:
        for block in library.of(keyword):
            if block.name in found:
                raise block.error(
                    f"Each {what} has a name of its own, in all LEF files together: remove one of "
                    "the two.",
                    f"{what} {block.name} for the second time",
                )
            found[block.name] = block
    return found


def _grid(libraries):
    for library in libraries:
        statement = library.first("MANUFACTURINGGRID")
        if statement is not None:
            grid = statement.number(statement.word(1, "a number"))
            if grid > 0:
                return grid
            raise statement.error("The manufacturing grid is more than 0: correct it.")
    return Technology.__dataclass_fields__["grid_um"].default


def _widths(block):
    found = {}
    for layer in block.of("LAYER"):
        width = layer.first("WIDTH")
        if width is not None:
            found[layer.name] = width.number(width.word(1, "a width"))
    return found


def _cell(block, unread):
    size, origin = block.first("SIZE"), block.first("ORIGIN")
    if size is None or len(size.words) != 4 or size.words[2] != "BY":
        raise block.error(
            "A macro of a LEF file states its SIZE: use the LEF that the design was placed with.",
            f"macro {block.name}",
        )
    corner = [origin.number(origin.word(k, "a number")) for k in (1, 2)] if origin else (0, 0)
    pins: dict[str, list[Figure]] = {}
    vias: list[tuple[str | None, Placed]] = []
    for pin in block.of("PIN"):
        if pin.name in pins:
            raise pin.error(
                "Each pin of a cell has a name of its own: rename or remove one of the two.",
                f"pin {pin.name} of {block.name} for the second time",
            )
        pins[pin.name] = _metal(pin.of("PORT"), pin.name, vias, unread)
    obstructions = _metal(block.of("OBS"), None, vias, unread)
    return Cell(
        block=block,
        size=np.array([size.number(size.words[k]) for k in (1, 3)]),
        origin=np.array(corner, float),
        pins=pins,
        obstructions=obstructions,
        vias=vias,
    )


def _metal(blocks, pin, vias, unread):
    found: list[Figure] = []
    for block in blocks:
        shapes, placed, rules = figures(block.statements)
        found += shapes
        vias += [(pin, via) for via in placed]
        unread.update(dict.fromkeys(f"{block.keyword} {rule}" for rule in sorted(rules)))
    return found


def technology(library: Library) -> Technology:
    """Return the layers and fixed vias of a library as a technology.

    Raises:
        ValueError: the library has no routing layer, or a via is no metal, cuts and metal.
    """
    metals, cuts = stack(list(library.layers.values()))
    if not metals:
        raise ValueError(
            "A technology has routing layers: give the LEF file of the technology, too. "
            f"Received: layers {', '.join(library.layers) or 'none'}"
        )
    plain = Technology(tuple(metals), tuple(cuts), (), library.grid_um)
    order = {name: i for i, name in enumerate(plain.layer_names)}
    vias, skipped = [], []
    for block in library.via_blocks.values():
        boxes = lef_via(block, NM)
        known = all(name in order for name in boxes)
        if known:
            vias.append(via_shape(block, boxes, NM, order, "DEFAULT" in block.flags))
        else:
            skipped.append(f"VIA {block.name}")
        for name in boxes:
            if name not in library.layers:
                raise block.error(
                    "The layers of a via are layers of the LEF files: add the file that has them.",
                    f"via {block.name} with layer {name}",
                )
    unread = tuple(dict.fromkeys((*library.unread, *skipped)))
    return dataclasses.replace(plain, vias=tuple(vias), unread=unread)


def via_shape(place, boxes, dbu_per_um, order, default) -> ViaShape:
    """Return a via as one of a technology, with its layers from below.

    Raises:
        ValueError: it is no metal, cuts and metal.
    """
    name = place.name if isinstance(place, Block) else place.words[1]
    unknown = [layer for layer in boxes if layer not in order]
    names = unknown or sorted(boxes, key=order.get)
    places = [order[layer] for layer in names if not unknown]
    if len(places) != 3 or places[0] % 2 or places[2] - places[0] != 2:
        raise place.error(
            "A via consists of metal, cuts, and metal, on three neighbouring layers: correct it.",
            f"via {name} with {', '.join(names) or 'no shapes'}",
        )
    in_um = {
        layer: tuple(tuple(v / dbu_per_um for v in box) for box in boxes[layer].tolist())
        for layer in names
    }
    return ViaShape(name, in_um, default)


def read_technology(*lef_paths: str | os.PathLike) -> Technology:
    """Return the technology that LEF files describe.

    `Technology.unread` names the rules of the files that are not read.

    Args:
        lef_paths: LEF files; those of cells may be among them.

    Raises:
        ValueError: a file is damaged, or says what no technology can be.
    """
    return technology(read_library(lef_paths))
