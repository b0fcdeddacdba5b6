"""A small library of cells: pins, rails and obstructions on metal1.

A cell is as wide as some sites and crossed by 10 tracks of metal3. Its shapes are given by
crossings (site, track): metal2 runs over the middle of each site. Tracks 0 and 9 are the rails.
"""

import dataclasses

from keras_route.random_design.process import ROW_UM, SITE_UM
from keras_route.technology.technology import Box

TRACK_UM = ROW_UM / 10
HALF_WIDTH_UM, RAIL_UM, STUB_UM = 0.035, 0.085, 0.215
PAD_UM = 0.07  # half of a via's metal, along the wire


@dataclasses.dataclass(frozen=True)
class CellPin:
    """A pin of a cell.

    Args:
        name: of the pin.
        direction: `INPUT`, `OUTPUT` or `INOUT`.
        use: `SIGNAL`, `POWER` or `GROUND`.
        boxes_um: its metal1.
    """

    name: str
    direction: str
    use: str
    boxes_um: tuple[Box, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of the library.

    Args:
        name: of the cell.
        sites: its width.
        share: of the cells of a random design.
        signals: its pins; none for a filler.
        supplies: its rails.
        obstructions_um: metal1 that is no pin.
    """

    name: str
    sites: int
    share: float
    signals: tuple[CellPin, ...]
    supplies: tuple[CellPin, ...]
    obstructions_um: tuple[Box, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input pins without the clock."""
        pins = (pin for pin in self.signals if pin.direction == "INPUT")
        return tuple(pin.name for pin in pins if pin.name != "CK")

    @property
    def clocked(self) -> bool:
        """Whether a pin is the clock `CK`."""
        return any(pin.name == "CK" for pin in self.signals)

    @property
    def output(self) -> str:
        """Name of the pin that drives a net."""
        return next(pin.name for pin in self.signals if pin.direction == "OUTPUT")


def _bar(site, low, high):
    """Return a vertical bar that holds the vias at the crossings of tracks low to high."""
    x = (site + 0.5) * SITE_UM
    bottom, top = ((track + 0.5) * TRACK_UM for track in (low, high))
    return (x - HALF_WIDTH_UM, bottom - PAD_UM, x + HALF_WIDTH_UM, top + PAD_UM)


def _arm(first, last, track):
    """Return a horizontal wire on a track from the middle of one site to that of another."""
    y = (track + 0.5) * TRACK_UM
    left, right = ((site + 0.5) * SITE_UM for site in (first, last))
    return (left - HALF_WIDTH_UM, y - HALF_WIDTH_UM, right + HALF_WIDTH_UM, y + HALF_WIDTH_UM)


def _supplies(sites, stubs):
    """Return both rails, with a stub into the cell above and below each of the given sites."""
    width = sites * SITE_UM
    xs = [((s + 0.5) * SITE_UM - HALF_WIDTH_UM, (s + 0.5) * SITE_UM + HALF_WIDTH_UM) for s in stubs]
    ground = [(0.0, -RAIL_UM, width, RAIL_UM), *((a, 0.0, b, STUB_UM) for a, b in xs)]
    power = [
        (0.0, ROW_UM - RAIL_UM, width, ROW_UM + RAIL_UM),
        *((a, ROW_UM - STUB_UM, b, ROW_UM) for a, b in xs),
    ]
    return (
        CellPin("VDD", "INOUT", "POWER", tuple(power)),
        CellPin("VSS", "INOUT", "GROUND", tuple(ground)),
    )


def _cell(name, sites, share, inputs, outputs, obstructions=(), stubs=(0,)):
    pins = [(text, "INPUT", boxes) for text, boxes in inputs.items()]
    pins += [(text, "OUTPUT", boxes) for text, boxes in outputs.items()]
    signals = tuple(CellPin(text, way, "SIGNAL", tuple(boxes)) for text, way, boxes in pins)
    return Cell(name, sites, share, signals, _supplies(sites, stubs), tuple(obstructions))


CELLS = (
    _cell("INV_1", 2, 0.15, {"A": [_bar(0, 3, 4)]}, {"Z": [_bar(1, 2, 7)]}),
    _cell("INV_4", 3, 0.03, {"A": [_bar(0, 3, 5)]}, {"Z": [_bar(1, 2, 7), _arm(1, 2, 4)]}),
    _cell(
        "BUF_1", 3, 0.08, {"A": [_bar(0, 4, 5)]}, {"Z": [_bar(2, 2, 7)]}, [_bar(1, 2, 7)], (0, 1)
    ),
    _cell(
        "BUF_4",
        5,
        0.03,
        {"A": [_bar(0, 4, 4)]},
        {"Z": [_bar(2, 2, 7), _arm(2, 4, 5), _bar(4, 2, 7)]},
        [_bar(1, 2, 7)],
        (0, 3),
    ),
    _cell("NAND2_1", 3, 0.18, {"A": [_bar(0, 4, 4)], "B": [_bar(1, 3, 4)]}, {"Z": [_bar(2, 2, 7)]}),
    _cell(
        "NOR2_1",
        3,
        0.09,
        {"A": [_bar(0, 3, 3)], "B": [_bar(2, 4, 4)]},
        {"Z": [_bar(1, 2, 7), _arm(1, 2, 7)]},
        (),
        (1,),
    ),
    _cell(
        "NAND3_1",
        4,
        0.07,
        {"A": [_bar(0, 5, 5)], "B": [_bar(1, 4, 4)], "C": [_bar(2, 3, 3)]},
        {"Z": [_bar(3, 2, 7), _arm(1, 3, 7)]},
        (),
        (0, 3),
    ),
    _cell(
        "AOI21_1",
        4,
        0.08,
        {"A": [_bar(0, 4, 5)], "B1": [_bar(2, 4, 4)], "B2": [_bar(3, 3, 4)]},
        {"Z": [_bar(1, 2, 6), _arm(1, 2, 2)]},
        [_arm(2, 3, 7)],
        (0, 2),
    ),
    _cell(
        "OAI21_1",
        4,
        0.06,
        {"A": [_bar(3, 4, 5)], "B1": [_bar(0, 4, 5)], "B2": [_bar(1, 5, 5)]},
        {"Z": [_bar(2, 3, 7), _arm(1, 2, 3)]},
        [],
        (1, 3),
    ),
    _cell(
        "AOI22_1",
        5,
        0.05,
        {
            "A1": [_bar(0, 4, 5)],
            "A2": [_bar(1, 4, 4)],
            "B1": [_bar(3, 5, 5)],
            "B2": [_bar(4, 4, 5)],
        },
        {"Z": [_bar(2, 2, 7), _arm(2, 4, 2)]},
        [],
        (0, 4),
    ),
    _cell(
        "XOR2_1",
        6,
        0.06,
        {"A": [_bar(0, 4, 5)], "B": [_arm(2, 3, 4), _bar(2, 4, 5)]},
        {"Z": [_bar(5, 2, 7), _arm(4, 5, 2)]},
        [_bar(1, 2, 7), _arm(1, 3, 2), _arm(2, 4, 7)],
        (0, 3),
    ),
    _cell(
        "MUX2_1",
        7,
        0.04,
        {"A": [_bar(0, 3, 3)], "B": [_bar(3, 4, 4)], "S": [_bar(5, 3, 5)]},
        {"Z": [_bar(6, 2, 7)]},
        [_bar(1, 3, 7), _arm(1, 5, 7), _arm(2, 4, 2)],
        (0, 5),
    ),
    _cell(
        "DFF_1",
        17,
        0.08,
        {"D": [_bar(2, 4, 5)], "CK": [_bar(5, 3, 4)]},
        {"Q": [_bar(16, 2, 7)], "QN": [_bar(14, 3, 6)]},
        [
            _bar(0, 2, 7),
            _bar(3, 2, 7),
            _arm(3, 6, 7),
            _arm(1, 3, 2),
            _bar(7, 2, 7),
            _arm(7, 9, 4),
            _bar(10, 2, 5),
            _arm(8, 12, 7),
            _bar(12, 2, 5),
        ],
        (0, 4, 8, 11, 15),
    ),
)
FILLERS = tuple(_cell(f"FILL_{sites}", sites, 0.0, {}, {}, (), ()) for sites in (8, 4, 2, 1))
BY_NAME = {cell.name: cell for cell in CELLS + FILLERS}
