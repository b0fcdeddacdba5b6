"""Cells placed at random in rows, with power straps and pins at the edge of the die."""

import dataclasses
import math

import numpy as np

from keras_route.random_design.cells import BY_NAME, CELLS, FILLERS
from keras_route.random_design.process import DBU_PER_UM, ROW_UM, SITE_UM

SITE_WIDTH, ROW_HEIGHT = round(SITE_UM * DBU_PER_UM), round(ROW_UM * DBU_PER_UM)
LEFT_MARGIN, BOTTOM_MARGIN = 30 * SITE_WIDTH, 4 * ROW_HEIGHT  # between die and rows


@dataclasses.dataclass(frozen=True)
class Core:
    """The rows of a die, whose lower left corner is (0, 0), in database units.

    Args:
        rows: their number.
        sites: of a row.
    """

    rows: int
    sites: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, bottom, right, top of the rows."""
        return (
            LEFT_MARGIN,
            BOTTOM_MARGIN,
            LEFT_MARGIN + self.sites * SITE_WIDTH,
            BOTTOM_MARGIN + self.rows * ROW_HEIGHT,
        )

    @property
    def die(self) -> tuple[int, int]:
        """Width and height of the die."""
        left, bottom, right, top = self.box
        return right + left, top + bottom


@dataclasses.dataclass(frozen=True)
class Placed:
    """A cell at its place.

    Args:
        name: of the component.
        cell: name in the library.
        x, y: its lower left corner in database units.
        row: its row; every other row is turned upside down.
    """

    name: str
    cell: str
    x: int
    y: int
    row: int

    @property
    def orientation(self) -> str:
        """`N` or `FS`."""
        return "FS" if self.row % 2 else "N"

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the cell in database units."""
        return self.x + BY_NAME[self.cell].sites * SITE_WIDTH / 2, self.y + ROW_HEIGHT / 2


def place_cells(count: int, utilization: float, generator: np.random.Generator):
    """Draw cells and place them in a nearly square core.

    Args:
        count: of the cells.
        utilization: share of the sites that they take, up to 0.95.
        generator: draws kinds, order and gaps.

    Returns:
        `Core`; list of `Placed` cells; list of `Placed` fillers in the gaps.
    """
    shares = [cell.share for cell in CELLS]
    kinds = generator.choice(len(CELLS), size=count, p=np.divide(shares, sum(shares)))
    widths = np.array([cell.sites for cell in CELLS])[kinds]
    core, rows = _core(widths, utilization)
    cells: list[Placed] = []
    fillers: list[Placed] = []
    for row in range(core.rows):
        members = np.flatnonzero(rows == row)
        gaps = _gaps(core.sites - int(widths[members].sum()), len(members) + 1, generator)
        site = 0
        for gap, member in zip(gaps, [*members, None], strict=True):
            fillers += _fill(row, site, gap, len(fillers))
            site += gap
            if member is not None:
                cells.append(_placed(f"u{member + 1}", CELLS[kinds[member]].name, row, site))
                site += int(widths[member])
    return core, cells, fillers


def _core(widths, utilization):
    """Return the core, and the row of each cell; each goes on where the one before ended."""
    ends = np.cumsum(widths)
    sites = ends[-1] / utilization
    count = max(2, round(math.sqrt(sites * SITE_UM * ROW_UM) / ROW_UM))
    rows = np.minimum((ends - widths / 2) * count // ends[-1], count - 1).astype(int)
    fullest = int(np.bincount(rows, widths).max())
    return Core(count, max(math.ceil(sites / count), fullest)), rows


def _gaps(free, count, generator):
    """Return `count` random whole numbers whose sum is `free`."""
    cuts = np.sort(generator.integers(0, free + 1, size=count - 1))
    return np.diff([0, *cuts, free]).tolist()


def _fill(row, site, gap, count):
    """Return the fillers of a gap of some sites."""
    fillers = []
    for cell in FILLERS:
        while gap >= cell.sites:
            name = f"fill{count + len(fillers) + 1}"
            fillers.append(_placed(name, cell.name, row, site))
            site, gap = site + cell.sites, gap - cell.sites
    return fillers


def _placed(name, cell, row, site):
    return Placed(
        name, cell, LEFT_MARGIN + site * SITE_WIDTH, BOTTOM_MARGIN + row * ROW_HEIGHT, row
    )
