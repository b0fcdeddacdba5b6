"""A chip of two inverters and a flip-flop, routed by hand, that tests damage in one place."""

from keras_route.random_design.cells import CELLS
from keras_route.random_design.lef import cells_lef, technology_lef
from keras_route.random_design.process import GENERIC_45

HEAD = """VERSION 5.8 ;
DIVIDERCHAR "/" ;
BUSBITCHARS "[]" ;
DESIGN small ;
UNITS DISTANCE MICRONS 2000 ;
DIEAREA ( 0 0 ) ( 40000 40000 ) ;
"""
COMPONENTS = """COMPONENTS 3 ;
- u1 INV_1 + PLACED ( 3800 2800 ) N ;
- u2 INV_1 + PLACED ( 11400 5600 ) FS ;
- a\\[3\\] INV_1 + PLACED ( 19000 2800 ) N ;
END COMPONENTS
PINS 1 ;
- clk + NET clk + DIRECTION INPUT + USE SIGNAL + LAYER metal2 ( -70 -70 ) ( 70 70 )
  + PLACED ( 190 70 ) N ;
END PINS
SPECIALNETS 1 ;
- VDD ( * VDD ) + USE POWER
  + ROUTED metal4 960 + SHAPE STRIPE ( 30000 0 ) ( 30000 40000 ) ;
END SPECIALNETS
"""
# INV_1: input A at x 190, tracks of y 980 and 1260; output Z at x 570, tracks of y 700 to 2100.
NETS = (
    "- n1 ( u1 Z ) ( u2 A ) + USE SIGNAL",
    "+ ROUTED metal2 ( 4370 4900 ) ( * 6580 )",
    "NEW metal3 ( 4370 6580 ) ( 11590 * )",
    "NEW metal2 ( 11590 6580 ) ( * 7140 )",
    "NEW metal1 ( 4370 4900 ) via1_yy",
    "NEW metal2 ( 4370 6580 ) via2_yx",
    "NEW metal2 ( 11590 6580 ) via2_yx",
    "NEW metal1 ( 11590 7140 ) via1_yy",
    ";",
    "- n2 ( u2 Z ) ( a\\[3\\] A ) + USE SIGNAL",
    "+ ROUTED metal2 ( 11970 6300 ) ( * 7700 )",
    "NEW metal3 ( 11970 6300 ) ( 19190 * )",
    "NEW metal2 ( 19190 4060 ) ( * 6300 )",
    "NEW metal1 ( 11970 7700 ) via1_yy",
    "NEW metal2 ( 11970 6300 ) via2_yx",
    "NEW metal2 ( 19190 6300 ) via2_yx",
    "NEW metal1 ( 19190 4060 ) via1_yy",
    ";",
    "- clk ( PIN clk ) ( u1 A ) + USE SIGNAL",
    "+ ROUTED metal2 ( 190 70 ) ( * 4060 )",
    "NEW metal1 ( 190 4060 ) ( 3990 * )",
    "NEW metal1 ( 190 4060 ) via1_xy",
    ";",
)


def write_lefs(folder):
    paths = folder / "tech.lef", folder / "cells.lef"
    for path, lines in zip(
        paths, (technology_lef(GENERIC_45, ""), cells_lef(CELLS, "")), strict=True
    ):
        path.write_text("\n".join(lines))
    return paths


def def_text(nets=NETS, body=COMPONENTS):
    count = sum(line.startswith("- ") for line in nets)
    lines = "\n".join(nets)
    return f"{HEAD}{body}NETS {count} ;\n{lines}\nEND NETS\nEND DESIGN\n"
