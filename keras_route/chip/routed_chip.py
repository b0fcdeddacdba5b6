"""The routed nets of a chip, with the proof that no two of them touch."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_route.chip.grid import Grid
from keras_route.chip.placement import Place, Placed, off_tracks, shorts
from keras_route.formats.gds import write_gds
from keras_route.formats.lefdef import write_def
from keras_route.layout.checking import Violation, check
from keras_route.layout.net import Net
from keras_route.layout.pictures import write_png
from keras_route.layout.steiner import MOST_POINTS
from keras_route.technology.layers import LAYERS

PICTURE_DOTS = 2000  # along a side, about


@dataclasses.dataclass(frozen=True)
class Access:
    """The way from the pins of a chip to the tracks.

    Args:
        pins: number of pins of all nets.
        moved: pins that take a pixel beside their own, because another net's pin has it.
        farthest_um: largest distance in x or y from a pin to the centre of its pixel. m2 has to
            bridge it, and no file shows that.
    """

    pins: int
    moved: int
    farthest_um: float


@dataclasses.dataclass(frozen=True)
class Decisions:
    """The number of routed nets by what decided their route.

    Args:
        by_scores: the network's scores, as `decode` reads them.
        by_search: a search near the network's scores.
        by_resistance: a search by resistance alone, for nets larger than the network's window.
        pushed: times that a net pushed others aside.
    """

    by_scores: int
    by_search: int
    by_resistance: int
    pushed: int


@dataclasses.dataclass(frozen=True)
class RoutedChip:
    """The nets of a chip, routed on one grid by `route_chip`.

    Args:
        grid: the tracks.
        die_um: left, bottom, right and top of the die in micrometres.
        placed: the routed nets, each at its place on the grid.
        given_up: the nets without a free way, with their pins only.
        not_routed: name of each net that is not routed, to the reason.
        access: the way from the pins to the tracks.
        decisions: what decided how many nets.
    """

    grid: Grid
    die_um: tuple[float, ...]
    placed: tuple[Placed, ...]
    given_up: tuple[Placed, ...]
    not_routed: Mapping[str, str]
    access: Access
    decisions: Decisions

    @property
    def nets(self) -> list[Net]:
        """The routed nets, each in a window of its own."""
        return [item.net for item in self.placed]

    @property
    def origins_um(self) -> list[tuple[float, float]]:
        """Lower left corner of each net's window in micrometres, y upwards."""
        return [item.corner_um(self.grid) for item in self.placed]

    @functools.cached_property
    def shorts(self) -> dict[Place, list[str]]:
        """Each place `(layer, x, y)` that more than one net takes, with their names.

        They are counted anew from wires, vias and pins; the router's own grid does not count.
        """
        items = (*self.placed, *self.given_up)
        return {
            place: [items[index].net.name for index in nets]
            for place, nets in shorts(items).items()
        }

    @functools.cached_property
    def violations(self) -> list[Violation]:
        """The violations of all routed nets, see `check`."""
        return [violation for net in self.nets for violation in check(net)]

    @functools.cached_property
    def off_die(self) -> list[tuple[str, str, int, int]]:
        """Each place off the tracks that a net takes: `(net, layer, x, y)`."""
        return off_tracks(self.placed, self.grid)

    @functools.cached_property
    def faults(self) -> list[str]:
        """A line for each short, violation and place off the die; a legal chip has none."""
        return [
            *(f"{place}: {', '.join(names)}" for place, names in self.shorts.items()),
            *(str(fault) for fault in (*self.violations, *self.off_die)),
        ]

    def to_labels(self) -> np.ndarray:
        """Return the label image of the whole chip, uint8 (size, size, 8)."""
        image = np.zeros((self.grid.size, self.grid.size, len(LAYERS)), "uint8")
        for item in self.placed:
            rows = slice(item.y, item.y + item.net.height)
            columns = slice(item.x, item.x + item.net.width)
            image[rows, columns] |= item.net.to_labels()
        return image

    def write(self, path: str | os.PathLike) -> None:
        """Write the routed nets as GDSII, DEF or PNG, as the suffix of `path` says.

        Raises:
            ImportError: gdstk, for GDSII, or matplotlib, for PNG, is not installed.
            ValueError: the suffix is another one, or the format cannot hold a net's name.
        """
        suffix = pathlib.Path(path).suffix.lower()
        if suffix == ".gds":
            write_gds(self.nets, path, self.origins_um)
        elif suffix == ".def":
            write_def(self.nets, path, self.origins_um, self.die_um)
        elif suffix == ".png":
            write_png(self.to_labels(), path, max(1, PICTURE_DOTS // self.grid.size))
        else:
            raise ValueError(
                "A chip is written to files that end in .gds, .def or .png. "
                f"Received: path={os.fspath(path)!r}"
            )

    def report(self) -> str:
        """Return the figures of the chip and its faults as text."""
        done, count = len(self.placed), len(self.placed) + len(self.not_routed)
        access, decisions, faults = self.access, self.decisions, self.faults
        return "\n".join(
            [
                f"{access.pins} pins: {access.moved} take a pixel beside their own; none is over "
                f"{access.farthest_um:.2f} um from its pixel in x or y, a jog on m2 in no file",
                f"connected: {done} of {count} nets ({done / count:.2%})",
                *(f"  not routed: {name}: {why}" for name, why in self.not_routed.items()),
                f"{decisions.by_scores} as the network's scores favour, {decisions.by_search} by a "
                f"search near them, {decisions.by_resistance} by resistance alone; nets were "
                f"pushed aside {decisions.pushed} times",
                _lengths(self.nets),
                f"shorts between nets: {len(self.shorts)}; broken rules: "
                f"{len(self.violations)}; off the die: {len(self.off_die)}",
                *(f"  {fault}" for fault in faults),
            ]
        )


def _lengths(nets: Sequence[Net]) -> str:
    """Return the length of all wires, and its ratio to the shortest trees."""
    compared = [net for net in nets if len(net.pins) <= MOST_POINTS]
    length = sum(net.wire_length for net in compared)
    shortest = sum(net.steiner_length for net in compared)
    ratio = (
        f"{length / shortest:.4f} of the shortest trees for the {len(compared)} nets of up to "
        f"{MOST_POINTS} pins"
        if compared
        else f"none has as few as {MOST_POINTS} pins, to compare with the shortest trees"
    )
    return f"length: {sum(net.wire_length for net in nets):.0f} um; {ratio}"
