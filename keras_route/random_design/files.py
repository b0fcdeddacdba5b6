"""A random placed design as the files that a place and route flow exchanges."""

import math
import os
import pathlib

import numpy as np

from keras_route.files import written_whole
from keras_route.random_design.cells import CELLS, FILLERS
from keras_route.random_design.lef import SITE, cells_lef, technology_lef
from keras_route.random_design.netlist import Port, connect
from keras_route.random_design.placement import ROW_HEIGHT, SITE_WIDTH, place_cells
from keras_route.random_design.power import arrays, supply_lines, via_lines
from keras_route.random_design.process import DBU_PER_UM, GENERIC_45, SITE_UM

FILES = ("tech.lef", "cells.lef", "placed.def")
ABOUT = "Generic 45 nm process: round numbers for tests, no technology of any foundry."
GCELL = 4200
PIN_HALF = 70


def write_random_design(
    folder: str | os.PathLike,
    nets: int,
    *,
    seed: int = 0,
    utilization: float = 0.68,
    clock_pins: int = 30,
    verbose: bool = True,
) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Write a random placed design, which the same arguments always give again.

    Cells lie in rows with rails and straps, pins of the design at the edge of the die. Most nets
    are short and have two pins.

    Args:
        folder: existing folder for `tech.lef`, `cells.lef` and `placed.def`.
        nets: their number, at least 30.
        seed: of all random numbers.
        utilization: share of the sites of the rows that cells take, 0.05 to 0.9.
        clock_pins: pins of one net that reaches all over the design, if there are so many.
        verbose: whether a bar tells the progress.

    Returns:
        The paths of the three files.

    Raises:
        ValueError: a number is outside its range.
    """
    if nets < 30 or not 0.05 <= utilization <= 0.9 or clock_pins < 1:
        raise ValueError(
            "A random design has at least 30 nets, a utilization of 0.05 to 0.9, and at "
            f"least 1 clock pin. Received: nets={nets}, utilization={utilization}, "
            f"clock_pins={clock_pins}"
        )
    texts = (
        technology_lef(GENERIC_45, ABOUT),
        cells_lef((*CELLS, *FILLERS), "Cells for tests of routers, without transistors."),
        _def_lines(nets, np.random.default_rng(seed), utilization, clock_pins, verbose),
    )
    technology, cells, placed = (pathlib.Path(folder, name) for name in FILES)
    paths = technology, cells, placed
    for path, lines in zip(paths, texts, strict=True):
        with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    return paths


def _def_lines(nets, generator, utilization, clock_pins, verbose):
    inward = max(2, round(1.1 * math.sqrt(nets)))
    core, cells, fillers = place_cells(nets - inward, utilization, generator)
    ports = _ports(core, inward, max(1, round(1.5 * math.sqrt(nets))), generator)
    netlist = connect(core, cells, ports, clock_pins, generator, verbose)
    width, height = core.die
    yield 'VERSION 5.8 ;\nDIVIDERCHAR "/" ;\nBUSBITCHARS "[]" ;\nDESIGN random ;'
    yield f"UNITS DISTANCE MICRONS {DBU_PER_UM} ;\nDIEAREA ( 0 0 ) ( {width} {height} ) ;"
    left, bottom, *_ = core.box
    for row in range(core.rows):
        yield (
            f"ROW row{row + 1} {SITE} {left} {bottom + row * ROW_HEIGHT} "
            f"{'FS' if row % 2 else 'N'} DO {core.sites} BY 1 STEP {SITE_WIDTH} 0 ;"
        )
    yield from _tracks(width, height)
    vias = arrays(GENERIC_45)
    yield from via_lines(vias)
    yield f"COMPONENTS {len(cells) + len(fillers)} ;"
    for part in (*cells, *fillers):
        yield f"- {part.name} {part.cell} + PLACED ( {part.x} {part.y} ) {part.orientation} ;"
    yield f"END COMPONENTS\nPINS {len(ports)} ;"
    owner = {pin: net for net, pins in netlist.items() for part, pin in pins if part == "PIN"}
    for port in ports:
        yield from _port_lines(port, owner[port.name])
    yield "END PINS"
    yield from supply_lines(core, vias)
    yield f"NETS {len(netlist)} ;"
    for name, pins in netlist.items():
        yield f"- {name} " + " ".join(f"( {part} {pin} )" for part, pin in pins) + " + USE SIGNAL ;"
    yield "END NETS\nEND DESIGN"


def _tracks(width, height):
    for metal in GENERIC_45.metals:
        along_x = GENERIC_45.metals[1] if metal.pitch_um < 0.2 else metal
        along_y = GENERIC_45.metals[0] if metal.pitch_um < 0.2 else metal
        for axis, start, layer, side in (
            ("X", SITE_UM / 2, along_x, width),
            ("Y", 0.07, along_y, height),
        ):
            first, step = (round(um * DBU_PER_UM) for um in (start, layer.pitch_um))
            count = (side - first) // step + 1
            yield f"TRACKS {axis} {first} DO {count} STEP {step} LAYER {metal.name} ;"
    for axis, side in (("X", width), ("Y", height)):
        yield f"GCELLGRID {axis} 0 DO {side // GCELL + 1} STEP {GCELL} ;"


def _ports(core, inward, outward, generator):
    """Return ports on tracks around the die: metal2 below and above, metal3 at both sides."""
    width, height = core.die
    columns = range(SITE_WIDTH // 2 + 4 * SITE_WIDTH, width - 4 * SITE_WIDTH, 2 * SITE_WIDTH)
    tracks = range(140 + 4 * 280, height - 4 * 280, 2 * 280)
    places = [(x, PIN_HALF, True) for x in columns]
    places += [(x, height - PIN_HALF, True) for x in columns]
    places += [(PIN_HALF, y, False) for y in tracks]
    places += [(width - PIN_HALF, y, False) for y in tracks]
    chosen = generator.permutation(len(places))[: inward + outward]
    names = ["clk", *(f"in[{i}]" for i in range(inward - 1))]
    names += [f"out[{i}]" for i in range(outward)]
    return [
        Port(name, index < inward, *places[place])
        for index, (name, place) in enumerate(zip(names, chosen, strict=True))
    ]


def _port_lines(port, net):
    layer = "metal2" if port.vertical else "metal3"
    yield f"- {port.name} + NET {net} + DIRECTION {'INPUT' if port.inward else 'OUTPUT'}"
    yield f"  + USE SIGNAL + LAYER {layer} ( {-PIN_HALF} {-PIN_HALF} ) ( {PIN_HALF} {PIN_HALF} )"
    yield f"  + PLACED ( {port.x} {port.y} ) N ;"
