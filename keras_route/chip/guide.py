"""A network's scores for the nets of a chip."""

import dataclasses
import functools

import numpy as np

from keras_route.chip.grid import Grid
from keras_route.pins import PinSets
from keras_route.routing.decode import decode
from keras_route.routing.pins_to_nets import log_odds_of


@dataclasses.dataclass(frozen=True)
class Guide:
    """A network's scores for one net, and the route that they favour.

    Args:
        x: column of the grid where the network's window starts.
        y: row of the grid where it starts.
        log_odds: array (height, width, 8), score of on minus score of off.
        labels: array (height, width, 8), the legal route that the scores favour.
    """

    x: int
    y: int
    log_odds: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def beyond(self) -> np.ndarray:
        """(8,) log-odds for pixels beyond the network's window: the median over the window."""
        return np.median(self.log_odds, axis=(0, 1))


def guides(
    model, grid: Grid, pins: PinSets, side: int = 32, batch_size: int = 128
) -> dict[int, Guide]:
    """Return the guide of each net that fits the network's window.

    Args:
        model: Keras model from images of pins to scores, as for `route`.
        grid: the tracks of the chip.
        pins: pixels of the grid; each net has two different pins or more.
        side: pixels along a side of the network's window.
        batch_size: nets that the network sees at once.

    Returns:
        Index of the net to `Guide`. Nets that are larger than the window have none. If the window
        is larger than the grid, no net has one.
    """
    nets = list(pins)
    fitting = [net for net, places in enumerate(nets) if np.ptp(places, axis=0).max() < side]
    if not fitting or grid.size < side:
        return {}
    corners = [grid.window(nets[net], side) for net in fitting]
    local = PinSets.of(nets[net] - corner for net, corner in zip(fitting, corners, strict=True))
    log_odds = log_odds_of(model, local, side, side, batch_size)
    labels = decode(log_odds, local)
    return {
        net: Guide(*corner, odds, label)
        for net, corner, odds, label in zip(fitting, corners, log_odds, labels, strict=True)
    }
