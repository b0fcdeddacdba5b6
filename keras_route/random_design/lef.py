"""LEF files of a technology and of a cell library."""

from collections.abc import Iterable, Iterator, Mapping

from keras_route.random_design.cells import Cell
from keras_route.random_design.process import DBU_PER_UM, ROW_UM, SITE_UM
from keras_route.technology.technology import Box, Technology

SITE = "core"
HEADER = 'VERSION 5.8 ;\nBUSBITCHARS "[]" ;\nDIVIDERCHAR "/" ;'


def technology_lef(technology: Technology, about: str) -> Iterator[str]:
    """Yield the lines of the LEF file of a technology.

    The rules for via arrays are named `array1`, `array2`, ... by the metal below.

    Args:
        technology: its layers, vias and grid.
        about: a comment for the top of the file.
    """
    yield f"# {about}"
    yield HEADER
    yield f"UNITS\n  DATABASE MICRONS {DBU_PER_UM} ;\nEND UNITS"
    yield f"MANUFACTURINGGRID {technology.grid_um:g} ;"
    for index, metal in enumerate(technology.metals):
        yield from _metal(metal)
        if index < len(technology.cuts):
            yield from _cut(technology.cuts[index])
    yield "LAYER OVERLAP\n  TYPE OVERLAP ;\nEND OVERLAP"
    for via in technology.vias:
        yield f"VIA {via.name}{' DEFAULT' if via.default else ''}"
        yield from _boxes(via.boxes_um, "  ")
        yield f"END {via.name}"
    for index in range(len(technology.cuts)):
        yield from _array_rule(technology, index)
    yield f"SITE {SITE}\n  SYMMETRY Y ;\n  CLASS CORE ;"
    yield f"  SIZE {SITE_UM:g} BY {ROW_UM:g} ;\nEND {SITE}"
    yield "END LIBRARY"


def _metal(metal):
    yield f"LAYER {metal.name}\n  TYPE ROUTING ;"
    yield f"  DIRECTION {'HORIZONTAL' if metal.horizontal else 'VERTICAL'} ;"
    yield f"  PITCH {metal.pitch_um:g} ;\n  WIDTH {metal.width_um:g} ;"
    yield f"  OFFSET {SITE_UM / 2:g} 0.07 ;"
    yield from _spacing(metal.spacing)
    yield f"  RESISTANCE RPERSQ {metal.ohm_per_um * metal.width_um:g} ;"
    yield f"END {metal.name}"


def _spacing(table):
    if len(table.widths_um) == len(table.lengths_um) == 1:
        yield f"  SPACING {table.spaces_um[0][0]:g} ;"
        return
    yield "  SPACINGTABLE"
    yield "    PARALLELRUNLENGTH " + _numbers(table.lengths_um)
    for width, spaces in zip(table.widths_um, table.spaces_um, strict=True):
        last = " ;" if width == table.widths_um[-1] else ""
        yield f"      WIDTH {width:.4f}   {_numbers(spaces)}{last}"


def _numbers(values):
    return " ".join(f"{value:.4f}" for value in values)


def _cut(cut):
    yield f"LAYER {cut.name}\n  TYPE CUT ;\n  SPACING {cut.spacing_um:g} ;"
    yield f"  WIDTH {cut.width_um:g} ;\n  RESISTANCE {cut.ohm:g} ;\nEND {cut.name}"


def _array_rule(technology, index):
    cut = technology.cuts[index]
    half = cut.width_um / 2
    yield f"VIARULE array{index + 1} GENERATE"
    for metal in technology.metals[index : index + 2]:
        yield f"  LAYER {metal.name} ;\n    ENCLOSURE 0 0 ;"
    yield f"  LAYER {cut.name} ;\n    RECT {-half:g} {-half:g} {half:g} {half:g} ;"
    pitch = cut.width_um + cut.spacing_um
    yield f"    SPACING {pitch:g} BY {pitch:g} ;\nEND array{index + 1}"


def cells_lef(cells: Iterable[Cell], about: str) -> Iterator[str]:
    """Yield the lines of the LEF file of a cell library; `about` is a comment for its top."""
    yield f"# {about}"
    yield HEADER
    for cell in cells:
        yield f"MACRO {cell.name}\n  CLASS {'CORE' if cell.signals else 'CORE SPACER'} ;"
        yield f"  ORIGIN 0 0 ;\n  SIZE {cell.sites * SITE_UM:g} BY {ROW_UM:g} ;"
        yield f"  SYMMETRY X Y ;\n  SITE {SITE} ;"
        for pin in (*cell.signals, *cell.supplies):
            yield f"  PIN {pin.name}\n    DIRECTION {pin.direction} ;\n    USE {pin.use} ;"
            yield "    PORT" if pin.use == "SIGNAL" else "    SHAPE ABUTMENT ;\n    PORT"
            yield from _boxes({"metal1": pin.boxes_um}, "      ")
            yield f"    END\n  END {pin.name}"
        if cell.obstructions_um:
            yield "  OBS"
            yield from _boxes({"metal1": cell.obstructions_um}, "    ")
            yield "  END"
        yield f"END {cell.name}"
    yield "END LIBRARY"


def _boxes(layers: Mapping[str, Iterable[Box]], indent: str):
    for layer, boxes in layers.items():
        yield f"{indent}LAYER {layer} ;"
        for box in boxes:
            yield f"{indent}  RECT " + " ".join(f"{round(side, 4):g}" for side in box) + " ;"
