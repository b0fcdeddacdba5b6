"""A technology as its LEF file gives it: layers, widths, spacings, vias and resistances."""

import dataclasses
from collections.abc import Mapping

import numpy as np

Box = tuple[float, float, float, float]  # left, bottom, right, top


@dataclasses.dataclass(frozen=True)
class SpacingTable:
    """The space that two shapes of a layer keep, by their width and their parallel length.

    Args:
        widths_um: increasing; row i holds for shapes wider than or as wide as `widths_um[i]`. The
            first is 0.
        lengths_um: increasing; column j holds for a parallel length of more than `lengths_um[j]`.
            The first is 0, and holds for all lengths.
        spaces_um: array (widths, lengths).
    """

    widths_um: tuple[float, ...]
    lengths_um: tuple[float, ...]
    spaces_um: tuple[tuple[float, ...], ...]

    @classmethod
    def uniform(cls, space_um: float) -> "SpacingTable":
        """Return the table of one space for all shapes."""
        return cls((0.0,), (0.0,), ((space_um,),))

    def space_um(self, width_um: float, length_um: float) -> float:
        """Return the space around a shape, given the larger width and the parallel length.

        Widths and lengths are taken to whole picometres, so that 0.27 of a file is not less than
        0.09 * 3.
        """
        row = _last(self.widths_um, width_um + 1e-6, inclusive=True)
        column = max(0, _last(self.lengths_um, length_um - 1e-6, inclusive=False))
        return self.spaces_um[row][column]


def _last(limits, value, inclusive):
    side = "right" if inclusive else "left"
    return int(np.searchsorted(limits, value, side=side)) - 1


@dataclasses.dataclass(frozen=True)
class RoutingLayer:
    """A metal on which wires run.

    Args:
        name: as in the LEF file.
        horizontal: whether its wires run along x.
        pitch_um: of its tracks.
        width_um: of its wires.
        spacing: between its shapes.
        ohm_per_um: resistance of a wire of `width_um`.
        area_um2: least area of a shape; 0 without such a rule.
    """

    name: str
    horizontal: bool
    pitch_um: float
    width_um: float
    spacing: SpacingTable
    ohm_per_um: float
    area_um2: float = 0.0


@dataclasses.dataclass(frozen=True)
class CutLayer:
    """A layer of cuts, which join the metals below and above.

    Args:
        name: as in the LEF file.
        spacing_um: between cuts.
        width_um: of a cut; 0 if the file does not say.
        ohm: resistance of a cut.
    """

    name: str
    spacing_um: float
    width_um: float
    ohm: float


@dataclasses.dataclass(frozen=True)
class ViaShape:
    """A via: metal below, cuts, and metal above, around the origin.

    Args:
        name: as in the file.
        boxes_um: name of each of three layers, from below, to its boxes.
        default: whether the file marks it as one that wires may use (`DEFAULT`).
    """

    name: str
    boxes_um: Mapping[str, tuple[Box, ...]]
    default: bool = True


@dataclasses.dataclass(frozen=True)
class Technology:
    """Layers from below: a cut layer lies between two neighbouring routing layers.

    Args:
        metals: the routing layers, at least one.
        cuts: `cuts[i]` joins `metals[i]` and `metals[i + 1]`.
        vias: the fixed vias of the file.
        grid_um: all coordinates are multiples of it.
        unread: rules of the file that this value does not hold, by their names.
    """

    metals: tuple[RoutingLayer, ...]
    cuts: tuple[CutLayer, ...]
    vias: tuple[ViaShape, ...]
    grid_um: float = 0.005
    unread: tuple[str, ...] = ()

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of all layers from below: metal, cut, metal, ..."""
        names = [self.metals[0].name]
        for cut, metal in zip(self.cuts, self.metals[1:], strict=True):
            names += [cut.name, metal.name]
        return tuple(names)
