"""A legal route where wires are in the way, near what a network decided."""

from collections.abc import Iterable

import numpy as np

from keras_route.layout.blocked import METAL_CHANNELS, per_metal
from keras_route.routing.maze import BLOCKED, DEAREST, Maze, cheapest_tree
from keras_route.technology.layers import LAYERS, METALS, VIAS

VIA_CHANNELS = [via.channel for via in VIAS.values()]
# Costs are ohm in steps of 1/8. The surprise of an on pixel, minus the logarithm of its probability
# in nat, costs `OHM_PER_NAT`: a pixel that a sure network left off, 10 nat, costs several times
# its wire.
STEPS_PER_OHM = 8
OHM_PER_NAT = 3.0


def legalize(log_odds, pins, blocked=None, window_um: float = 11.0) -> np.ndarray:
    """Return a legal route that avoids what is blocked.

    A route costs its resistance, and more where the network says off. Up to six pins the result is
    the cheapest of all connected routes (see `maze.cheapest_tree`), not only of those with a
    single trunk.

    Args:
        log_odds: array (height, width, 8), score of on minus score of off; zeros without a network,
            and as zero counts what is not a number.
        pins: (n, 2) integers `(x, y)` inside the window, two of them different.
        blocked: bool array (height, width, 4): where the net must have no m3, m4, m5, m6, neither
            wires nor the stacks of vias below its pins; of shape (height, width): no metal.
        window_um: size of the window in micrometres, in both directions.

    Returns:
        uint8 array (height, width, 8), the label image.

    Raises:
        ValueError: what is blocked separates the pins, or has another shape.
    """
    log_odds = np.asarray(log_odds)
    height, width = log_odds.shape[:2]
    blocked = per_metal(blocked, height, width)
    maze = costs(log_odds, blocked, (window_um / width, window_um / height))
    pins = [(int(x), int(y)) for x, y in pins]
    metal = cheapest_tree(maze, list(dict.fromkeys(pins)))
    if metal is None:
        raise ValueError(
            "Pins can be joined where a way is free: block less, or enlarge the window. "
            f"Received: pins={pins}, blocked={int(blocked.sum())} of {blocked.size} pixels"
        )
    return drawn(metal, pins)


def costs(log_odds, blocked: np.ndarray, um_per_px: tuple[float, float], extra_ohm=0.0) -> Maze:
    """Return the maze in which a route costs its resistance and what surprises the network.

    Args:
        log_odds: array (height, width, 8), as for `legalize`.
        blocked: bool array (height, width, 4).
        um_per_px: micrometres of a pixel along x and along y.
        extra_ohm: what each pixel of each metal costs more, (height, width, 4) or one for all.
    """
    odds = np.nan_to_num(np.asarray(log_odds, "float64"), nan=0.0, posinf=np.inf, neginf=-np.inf)
    surprise = OHM_PER_NAT * np.logaddexp(0, -np.moveaxis(odds, -1, 0))
    wire = [m.ohm_per_um * um_per_px[0 if m.horizontal else 1] for m in METALS.values()]
    via = [via.ohm for via in VIAS.values()]
    extra = np.moveaxis(np.broadcast_to(extra_ohm, blocked.shape), -1, 0)
    pixels = _steps(surprise[METAL_CHANNELS] + extra, wire)
    pixels[np.moveaxis(blocked, -1, 0)] = BLOCKED
    return Maze(np.maximum(pixels, 1), _steps(surprise[VIA_CHANNELS], via))


def _steps(surprise, ohm):
    """Return costs in whole steps; what is too unlikely to tell from impossible is cut off."""
    total = STEPS_PER_OHM * (surprise + np.array(ohm)[:, None, None])
    return np.minimum(np.rint(total), DEAREST).astype("int64")


def drawn(metal: np.ndarray, pins: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the label image of metal (4, height, width): vias join neighbouring metals."""
    labels = np.zeros((*metal.shape[1:], len(LAYERS)), "uint8")
    for x, y in pins:
        labels[y, x, LAYERS.index("pin")] = 1
    labels[..., METAL_CHANNELS] = np.moveaxis(metal, 0, -1)
    labels[..., VIA_CHANNELS] = np.moveaxis(metal[:-1] & metal[1:], 0, -1)
    return labels
