"""The wires that a DEF file has, as a router would return them."""

import os

import numpy as np

from keras_route.formats.lefdef.reading import Reading
from keras_route.formats.lefdef.wiring import regular_wiring
from keras_route.layout.design import Wires


def read_wires(path: str | os.PathLike, *lef_paths: str | os.PathLike) -> Wires:
    """Return the wires of the nets of a routed design.

    `read_design(path, *lef_paths)` has the nets and the technology that they refer to.

    Args:
        path: the DEF file.
        lef_paths: LEF files with the technology of the design.

    Raises:
        ValueError: a file is damaged, or a net has metal that `Wires` cannot hold: a wire of
            another width or reach, or a turned via.
    """
    reading = Reading.of(path, lef_paths)
    metals = {metal.name: i for i, metal in enumerate(reading.technology.metals)}
    vias = {via.name: i for i, via in enumerate(reading.technology.vias)}
    wires, places = [], []
    for name, net in reading.routed.items():
        item = reading.items[name]
        wiring = regular_wiring(item.statement, item.options, reading.rules)
        others = wiring.others + [f"{via} {turn}" for via, turn, _, _ in wiring.vias if turn != "N"]
        unknown = [via for via, _, _, _ in wiring.vias if via not in vias]
        if others or unknown:
            raise item.statement.error(
                "The wires that are read have the width of their layer, reach half of it beyond "
                "their ends, and their vias are not turned: read this file by `read_design`.",
                f"{(others + unknown)[0]} of net {name}",
            )
        wires += [(net, metals[layer], *line) for layer, *line in wiring.lines]
        places += [(net, vias[via], x, y) for via, _, x, y in wiring.vias]
    return Wires(
        np.array(wires, np.int64).reshape(-1, 6), np.array(places, np.int64).reshape(-1, 4)
    )
