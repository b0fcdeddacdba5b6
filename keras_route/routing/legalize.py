"""A legal route around what is blocked, close to a network's decision."""

import functools

import numpy as np

from keras_route.layout.blocked import METAL_CHANNELS, blocked_metal
from keras_route.pins import without_repeats
from keras_route.routing.maze import BLOCKED, DEAREST, Maze, cheapest_tree
from keras_route.technology.layers import LAYERS, METALS, VIAS

VIA_CHANNELS = [via.channel for via in VIAS.values()]
# Costs are ohm in steps of 1/8. An on pixel also costs `OHM_PER_NAT` for each nat of its surprise,
# the negative logarithm of its probability. A pixel that a sure network leaves off has 10 nat: they
# cost several times the pixel's wire.
STEPS_PER_OHM = 8
OHM_PER_NAT = 3.0


def legalize(
    log_odds: np.ndarray,
    pins: np.ndarray,
    blocked: np.ndarray | None = None,
    window_um: float = 11.0,
) -> np.ndarray:
    """Return a legal route that avoids what is blocked.

    The cost of a route is its resistance, plus a cost for each pixel that the network says is off.
    Up to ten pins, the result is the cheapest of all connected routes (see `maze.cheapest_tree`),
    with one trunk or without.

    Args:
        log_odds: array (height, width, 8), score of on minus score of off. Without a network, give
            zeros. NaN counts as zero.
        pins: pin array inside the window, with two different pins or more.
        blocked: bool array (height, width, 4), True where the net must have no m3, m4, m5, m6; or
            (height, width), True where it must have none of them. Wires count, and the stacks of
            vias below the pins. By default, nothing is blocked.
        window_um: size of the window in micrometres, in both directions.

    Returns:
        uint8 array (height, width, 8), the label image.

    Raises:
        ValueError: blocked pixels separate the pins, or `blocked` has another shape.
    """
    log_odds = np.asarray(log_odds)
    taboo = blocked_metal(blocked, *log_odds.shape[:2])
    labels = legal_route(log_odds, pins, taboo, window_um)
    if labels is None:
        raise separated(pins, taboo)
    return labels


def separated(pins: np.ndarray, blocked: np.ndarray) -> ValueError:
    """Return the error that blocked pixels (height, width, 4) separate the pins of a net."""
    return ValueError(
        "Pins can be joined where a way is free: block less, or enlarge the window. "
        f"Received: pins={[tuple(pin) for pin in pins.tolist()]}, "
        f"blocked={int(blocked.sum())} of {blocked.size} pixels"
    )


def legal_route(
    log_odds: np.ndarray, pins: np.ndarray, blocked: np.ndarray, window_um: float
) -> np.ndarray | None:
    """Return the route of `legalize`; None if blocked pixels (height, width, 4) part the pins."""
    height, width = log_odds.shape[:2]
    maze = route_costs(log_odds, blocked, (window_um / width, window_um / height))
    metal = cheapest_tree(maze, without_repeats(pins))
    return None if metal is None else drawn(metal, pins)


def route_costs(
    log_odds: np.ndarray,
    blocked: np.ndarray,
    um_per_px: tuple[float, float],
    extra_ohm: float | np.ndarray = 0.0,
) -> Maze:
    """Return the maze in which a route costs its resistance and the network's surprise.

    Args:
        log_odds: array (height, width, 8), as for `legalize`.
        blocked: bool array (height, width, 4).
        um_per_px: micrometres of a pixel along x and along y.
        extra_ohm: a further cost of each pixel of each metal, (height, width, 4) or one number.
    """
    odds = np.nan_to_num(np.asarray(log_odds, "float64"), nan=0.0, posinf=np.inf, neginf=-np.inf)
    surprise = OHM_PER_NAT * np.logaddexp(0, -np.moveaxis(odds, -1, 0))
    wire = [m.ohm_per_um * um_per_px[0 if m.horizontal else 1] for m in METALS.values()]
    via = [via.ohm for via in VIAS.values()]
    extra = np.moveaxis(np.broadcast_to(extra_ohm, blocked.shape), -1, 0)
    pixels = _steps(surprise[METAL_CHANNELS] + extra, wire)
    pixels[np.moveaxis(blocked, -1, 0)] = BLOCKED
    return Maze(np.maximum(pixels, 1), _steps(surprise[VIA_CHANNELS], via))


def resistance_maze(blocked: np.ndarray, um_per_px: tuple[float, float]) -> Maze:
    """Return the maze in which a route costs its resistance: `route_costs` without a network.

    Args:
        blocked: bool array (height, width, 4).
        um_per_px: micrometres of a pixel along x and along y.
    """
    pixel, via = _resistances(um_per_px)
    height, width, _ = blocked.shape
    pixels = np.where(np.moveaxis(blocked, -1, 0), BLOCKED, pixel)
    return Maze(pixels, np.broadcast_to(via, (len(VIAS), height, width)))


@functools.cache
def _resistances(um_per_px):
    """Return the costs of a pixel of each metal and of each via, without a network."""
    one = route_costs(np.zeros((1, 1, len(LAYERS))), np.zeros((1, 1, len(METALS)), bool), um_per_px)
    return one.pixels, one.vias


def _steps(surprise, ohm):
    """Return costs in whole steps, `DEAREST` at most."""
    total = STEPS_PER_OHM * (surprise + np.array(ohm)[:, None, None])
    return np.minimum(np.rint(total), DEAREST).astype("int64")


def drawn(metal: np.ndarray, pins: np.ndarray) -> np.ndarray:
    """Return the label image of metal (4, height, width), with vias between neighbours."""
    labels = np.zeros((*metal.shape[1:], len(LAYERS)), "uint8")
    labels[pins[:, 1], pins[:, 0], LAYERS.index("pin")] = 1
    draw_metal(labels, metal)
    return labels


def draw_metal(labels: np.ndarray, metal: np.ndarray) -> None:
    """Draw metal (..., 4, height, width) on label images, with vias between neighbours."""
    labels[..., METAL_CHANNELS] = np.moveaxis(metal, -3, -1)
    labels[..., VIA_CHANNELS] = np.moveaxis(metal[..., :-1, :, :] & metal[..., 1:, :, :], -3, -1)
