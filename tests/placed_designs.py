"""A small technology, some cells, and random placed designs of them, as LEF and DEF text."""

import numpy as np

from keras_route.layout.design import Wires

TECHNOLOGY = """# three metals
VERSION 5.8 ;
BUSBITCHARS "[]" ;
UNITS
  DATABASE MICRONS 1000 ;
END UNITS
MANUFACTURINGGRID 0.01 ;
PROPERTYDEFINITIONS
  LAYER LEF58_SPACING STRING ;
END PROPERTYDEFINITIONS
LAYER poly
  TYPE MASTERSLICE ;
END poly
LAYER contact
  TYPE CUT ;
END contact
LAYER m1
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.2 0.3 ;
  WIDTH 0.1 ;
  SPACING 0.08 ;
  SPACING 0.12 ENDOFLINE 0.1 WITHIN 0.03 ;
  RESISTANCE RPERSQ 0.4 ;
  AREA 0.02 ;
  PROPERTY LEF58_SPACING "SPACING 0.1 ; END" ;
END m1
LAYER v1
  TYPE CUT ;
  SPACING 0.11 ;
  WIDTH 0.1 ;
  RESISTANCE 6 ;
END v1
LAYER m2
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.2 0.3 ;
  WIDTH 0.1 ;
  SPACINGTABLE
    PARALLELRUNLENGTH 0 0.5
    WIDTH 0 0.1 0.1
    WIDTH 0.3 0.1 0.2 ;
END m2
LAYER v2
  TYPE CUT ;
END v2
LAYER m3
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.4 ;
  WIDTH 0.2 ;
  SPACING 0.2 ;
  MINENCLOSEDAREA 0.3 ;
END m3
LAYER OVERLAP
  TYPE OVERLAP ;
END OVERLAP
VIA up1 DEFAULT
  LAYER m1 ;
    RECT -0.06 -0.05 0.06 0.05 ;
  LAYER v1 ;
    RECT -0.05 -0.05 0.05 0.05 ;
  LAYER m2 ;
    RECT -0.05 -0.08 0.05 0.06 ;
END up1
VIA up2 DEFAULT
  LAYER m2 ;
    RECT -0.1 -0.1 0.1 0.1 ;
  LAYER v2 ;
    RECT -0.05 -0.05 0.05 0.05 ;
  LAYER m3 ;
    RECT -0.1 -0.1 0.1 0.1 ;
END up2
VIA up2_double
  VIARULE array2 ;
  CUTSIZE 0.1 0.1 ;
  LAYERS m2 v2 m3 ;
  CUTSPACING 0.1 0.1 ;
  ENCLOSURE 0.05 0.05 0.04 0.06 ;
  ROWCOL 1 2 ;
END up2_double
NONDEFAULTRULE wide
  LAYER m1
    WIDTH 0.3 ;
  END m1
END wide
END LIBRARY
"""
CELLS = """VERSION 5.8 ;
MACRO INV
  CLASS CORE ;
  ORIGIN 0.1 0.2 ;
  SIZE 1.2 BY 1.4 ;
  PIN A
    PORT
      LAYER m1 ;
        RECT 0.1 0.1 0.2 0.5 ;
        RECT 0.1 0.4 0.4 0.5 ;
    END
  END A
  PIN Z
    PORT
      LAYER m1 ;
        POLYGON 0.6 0 0.9 0 0.9 0.9 0.7 0.9 0.7 0.2 0.6 0.2 ;
    END
    PORT
      LAYER m2 ;
        RECT 0.8 0.5 0.9 0.6 ;
    END
  END Z
  PIN VDD
    USE POWER ;
    PORT
      LAYER m1 ;
        RECT -0.1 1.1 1.1 1.3 ;
    END
  END VDD
  OBS
    LAYER m1 ;
      RECT 0.3 0 0.4 0.2 ;
    LAYER poly ;
      RECT 0 0 1 1 ;
  END
END INV
MACRO TAP
  CLASS CORE ;
  SIZE 0.6 BY 1.4 ;
  PIN P
    PORT
      LAYER m1 ;
        WIDTH 0.1 ;
        PATH 0.1 0.1 0.5 0.1 0.5 0.7 ;
        VIA 0.5 0.7 up1 ;
        RECT ITERATE 0 1 0.1 1.1 DO 2 BY 2 STEP 0.3 0.2 ;
    END
  END P
END TAP
END LIBRARY
"""
PINS = {"INV": ("A", "Z"), "TAP": ("P",)}
TURNS = ("N", "S", "E", "W", "FN", "FS", "FE", "FW")


def random_design(rng: np.random.Generator, components: int = 6, earlier: str = "") -> str:
    """Return the text of a DEF file: cells in all orientations, nets, supply, blockages, fills.

    Args:
        rng: draws everything.
        components: how many.
        earlier: wires that the first net has already.
    """
    cells = rng.choice(("INV", "TAP"), components)
    turns = rng.choice(TURNS, components)
    lines = ["VERSION 5.8 ;", "DESIGN d ;", "UNITS DISTANCE MICRONS 1000 ;"]
    lines.append(f"DIEAREA ( 0 0 ) ( {3000 * components} 9000 ) ;")
    lines += [f"TRACKS {way} 100 DO 30 STEP 200 LAYER m1 m2 ;" for way in "XY"]
    metals = [f"RECT {metal} ( -90 -50 ) ( 90 50 )" for metal in ("m1", "m2")]
    pair = " + ".join((*metals, "RECT v1 ( -80 -50 ) ( 20 50 )"))
    lines += _section("VIAS", [f"pair + {pair}"])
    placed = [
        f"u{k} {cell} + {rng.choice(('PLACED', 'FIXED'))} "
        f"( {3000 * k + 10 * rng.integers(90)} {10 * rng.integers(700)} ) {turn}"
        for k, (cell, turn) in enumerate(zip(cells, turns, strict=True))
    ]
    lines += _section("COMPONENTS", placed)
    lines += _section(
        "PINS",
        [
            "in + NET n0 + DIRECTION INPUT + USE SIGNAL + LAYER m2 ( -50 0 ) ( 50 200 )"
            f" + FIXED ( {10 * rng.integers(90)} 0 ) {rng.choice(TURNS[:2])}",
            "VDD + NET VDD + SPECIAL + USE POWER + PORT + LAYER m3 ( 0 0 ) ( 200 200 )"
            " + PLACED ( 100 100 ) N + PORT + LAYER m3 ( 0 0 ) ( 200 200 ) + PLACED ( 900 100 ) FE",
        ],
    )
    lines += _section("BLOCKAGES", [f"LAYER m2 RECT ( 10 10 ) ( {10 * rng.integers(2, 90)} 70 )"])
    lines += _section("FILLS", ["LAYER m3 RECT ( 0 8000 ) ( 500 8500 )", "VIA up1 ( 700 8700 )"])
    special = "VDD ( * VDD ) + USE POWER + ROUTED m3 400 + SHAPE STRIPE ( 0 5000 ) ( 9000 * )"
    special += " NEW m2 0 + SHAPE STRIPE ( 4000 5000 ) up2_double NEW m1 0 ( 4000 5000 ) pair"
    lines += _section("SPECIALNETS", [special])
    pins = [f"( u{k} {pin} )" for k, cell in enumerate(cells) for pin in PINS[cell]]
    owner = rng.integers(0, 3, len(pins))
    nets = [
        f"n{i} {' '.join(p for p, o in zip(pins, owner, strict=True) if o == i)}"
        f"{' ( PIN in )' if i == 0 else ''} + USE {use}"
        for i, use in enumerate(("SIGNAL", "CLOCK", "SIGNAL"))
    ]
    nets[0] += earlier
    lines += _section("NETS", nets)
    return "\n".join([*lines, "END DESIGN", ""])


def _section(name, items):
    return [f"{name} {len(items)} ;", *(f"- {item} ;" for item in items), f"END {name}"]


def random_wires(rng: np.random.Generator, nets: int = 3, count: int = 12) -> Wires:
    """Return wires and vias at random places, which touch one another or not, by their nets."""
    net, metal = rng.integers(0, nets, count), rng.integers(0, 3, count)
    start = rng.integers(0, 80, (count, 2)) * 10
    along = rng.integers(0, 2, count)
    step = np.stack((along, 1 - along), axis=1) * rng.integers(0, 40, (count, 1)) * 10
    wires = np.concatenate((net[:, None], metal[:, None], start, start + step), axis=1)
    vias = np.stack(
        (
            rng.integers(0, nets, count),
            rng.integers(0, 4, count),
            *(10 * rng.integers(0, 800, (2, count))),
        ),
        axis=1,
    )
    return Wires(wires[np.argsort(net, kind="stable")], vias[np.argsort(vias[:, 0], kind="stable")])
