"""What a network says about the nets of a chip."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from keras_route.chip.grid import Grid
from keras_route.routing.decode import decode
from keras_route.routing.pins_to_nets import log_odds_of


@dataclasses.dataclass(frozen=True)
class Guide:
    """What a network says about a net.

    Args:
        x: column of the grid where the network's window starts.
        y: row of the grid where it starts.
        log_odds: array (height, width, 8), score of on minus score of off.
        labels: array (height, width, 8), the legal route that they favour.
    """

    x: int
    y: int
    log_odds: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def beyond(self) -> np.ndarray:
        """(8,) log-odds of what the network did not see: as off as most that it saw."""
        return np.median(self.log_odds, axis=(0, 1))


def guides(
    model, grid: Grid, pins: Sequence[np.ndarray], side: int = 32, batch_size: int = 128
) -> dict[int, Guide]:
    """Return what a network says about each net that fits its window.

    Args:
        model: Keras model from images of pins to scores, as for `route`.
        grid: the tracks of the chip.
        pins: for each net its pixels (n, 2) in the grid, two or more different ones.
        side: pixels of the network's window.
        batch_size: nets that the network sees at once.

    Returns:
        Index of the net to `Guide`; nets that extend further than the window are left out, and all
        nets of a grid smaller than it.
    """
    fitting = [net for net, places in enumerate(pins) if np.ptp(places, axis=0).max() < side]
    if not fitting or grid.size < side:
        return {}
    corners = [grid.window(pins[net], side) for net in fitting]
    local = [pins[net] - corner for net, corner in zip(fitting, corners, strict=True)]
    log_odds = log_odds_of(model, local, side, side, batch_size)
    labels = decode(log_odds, local)
    return {
        net: Guide(*corner, odds, label)
        for net, corner, odds, label in zip(fitting, corners, log_odds, labels, strict=True)
    }
