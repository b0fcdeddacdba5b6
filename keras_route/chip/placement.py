"""Nets at their places on a grid, and the places that they take."""

import collections
import dataclasses
from collections.abc import Iterable

from keras_route.chip.grid import Grid
from keras_route.layout.net import Net

Place = tuple[str, int, int]  # (layer, x, y)


@dataclasses.dataclass(frozen=True)
class Placed:
    """A net at its place on a grid.

    Args:
        net: the net, in its window.
        x: column of the grid where the window starts.
        y: row of the grid where the window starts.
    """

    net: Net
    x: int
    y: int

    def corner_um(self, grid: Grid) -> tuple[float, float]:
        """Return the lower left corner of the net's window in micrometres, y upwards."""
        rows_below = grid.size - self.y - self.net.height
        return (
            grid.left_um + self.x * grid.um_per_px,
            grid.bottom_um + rows_below * grid.um_per_px,
        )

    def taken(self) -> set[Place]:
        """Return the places that the net takes on the grid.

        They are its wires, its vias, its pins on m2, and the stacks from there to the landing
        metals.
        """
        net = self.net
        taken = {("m2", x, y) for x, y in net.pins}
        taken |= {(wire.layer, x, y) for wire in net.wires for x, y in wire.pixels()}
        taken |= {(via.name, x, y) for via, x, y in net.cuts()}
        taken |= {(via.below, x, y) for x, y in net.pins for via in net.stack(x, y)}
        return {(layer, x + self.x, y + self.y) for layer, x, y in taken}


def shorts(placed: Iterable[Placed]) -> dict[Place, list[int]]:
    """Return each place that more than one net takes, with the indices of these nets."""
    takers = collections.defaultdict(list)
    for index, item in enumerate(placed):
        for place in item.taken():
            takers[place].append(index)
    return {place: nets for place, nets in takers.items() if len(nets) > 1}


def off_tracks(placed: Iterable[Placed], grid: Grid) -> list[tuple[str, str, int, int]]:
    """Return each place off the tracks that a net takes: `(net, layer, x, y)`."""
    beyond = grid.beyond
    return [
        (item.net.name, layer, x, y)
        for item in placed
        for layer, x, y in item.taken()
        if beyond[y, x]
    ]
