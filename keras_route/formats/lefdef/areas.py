"""What a DEF file says of areas: blockages, fills, tracks, and what is outside of the die."""

import numpy as np

from keras_route.formats.lefdef.def_file import DefFile
from keras_route.formats.lefdef.instances import ViaPlaces
from keras_route.formats.lefdef.placed import die_corners
from keras_route.formats.lefdef.polygons import rectangles
from keras_route.formats.lefdef.shape_table import ShapeTable
from keras_route.formats.lefdef.vias import corners_as_boxes, points
from keras_route.layout.design import NO_NET, Tracks


def add_blockages(file: DefFile, table: ShapeTable) -> None:
    """Add the blockages of layers; those of cells, slots and fills are no matter for wires."""
    for statement in file.items("BLOCKAGES"):
        words = statement.words
        if words[1] not in ("LAYER", "PLACEMENT"):
            raise statement.error("A blockage is one of LAYER or PLACEMENT: correct it.")
        if words[1] == "LAYER" and not {"SLOTS", "FILLS"} & set(words):
            _add_areas(statement, table)


def add_fills(file: DefFile, table: ShapeTable, vias: ViaPlaces) -> None:
    """Add the metal that fills what is empty."""
    for statement in file.items("FILLS"):
        words = statement.words
        if words[1] == "LAYER":
            _add_areas(statement, table)
        elif words[1] == "VIA":
            start = words.index("(") if "(" in words else len(words)
            for x, y in points(statement, words[start:]):
                vias.add(statement.word(2, "a via"), "N", x, y, NO_NET, statement)
        else:
            raise statement.error("A fill is one of LAYER or VIA: correct it.")


def _add_areas(statement, table):
    words = statement.words
    layer = table.index(statement.word(2, "a layer"), statement)
    starts = [i for i, word in enumerate(words) if i > 2 and word in ("RECT", "POLYGON")]
    if not starts:
        raise statement.error("A blockage or fill has RECT or POLYGON: add it.")
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        table.add(layer, corners_as_boxes(statement, words[start:end]))


def add_outside(file: DefFile, table: ShapeTable) -> None:
    """Block all metals between a die that is a polygon and its bounding box."""
    corners = np.array(die_corners(file))
    if len(corners) > 2:
        (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
        frame = np.array(((left, bottom), (right, bottom), (right, top), (left, top)))
        for layer in sorted(table.order.values())[::2]:
            table.add(layer, rectangles(frame, corners))


def tracks(file: DefFile, table: ShapeTable) -> tuple[Tracks, ...]:
    """Return the tracks; those without `LAYER` are tracks of all metals."""
    found = []
    for statement in file.heads.get("TRACKS", ()):
        words = statement.words
        behind = words[7:8] in ([], ["LAYER"], ["MASK"])
        if words[3:4] != ["DO"] or words[5:6] != ["STEP"] or words[1] not in "XY" or not behind:
            raise statement.error(
                "Tracks are TRACKS X (or Y) start DO number STEP distance LAYER names: correct it."
            )
        start, count, step = (statement.integer(statement.word(k, "a number")) for k in (2, 4, 6))
        if count < 1 or step < 1:
            raise statement.error("Number and distance of tracks are more than 0: correct them.")
        layers = words[words.index("LAYER") + 1 :] if "LAYER" in words else list(table.order)[::2]
        for layer in layers:
            if table.index(layer, statement) >= 0:
                found.append(Tracks(words[1] == "X", start, count, step, layer))
    return tuple(found)
