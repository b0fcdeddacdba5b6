"""The cheapest routes on the pixels that a network holds likely."""

import numpy as np

from keras_route.layout.blocked import METAL_CHANNELS
from keras_route.pins import PinSets, without_repeats
from keras_route.routing.legalize import drawn, resistance_maze, separated
from keras_route.routing.maze import tree_with_cost

# Log-odds of pixels to search. If those above the first do not join the pins, those above the next
# are searched, and at last the whole window.
THRESHOLDS = (-5.0, -7.0, -np.inf)


def pruned_search(
    log_odds: np.ndarray,
    pins: PinSets,
    blocked: np.ndarray,
    window_um: float = 11.0,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> np.ndarray:
    """Return for each net a legal route: the one of least resistance on likely pixels.

    The stacks above the pins are searched, too. Scores choose pixels and do not change costs. So
    the route is a cheapest one if the likely pixels hold one.

    Args:
        log_odds: array (N, height, width, 8), score of on minus score of off. NaN counts as
            unlikely.
        pins: N nets inside the window, each with two different pins or more.
        blocked: bool array (N, height, width, 4).
        window_um: size of the window in micrometres, in both directions.
        thresholds: log-odds above which pixels are likely, falling.

    Returns:
        uint8 array (N, height, width, 8), the label images.

    Raises:
        ValueError: blocked pixels separate the pins of a net.
    """
    labels = likely_routes(log_odds, pins, blocked, window_um, thresholds)
    for i in np.flatnonzero(~labels.any(axis=(1, 2, 3))):
        raise separated(list(pins)[i], blocked[i])
    return labels


def likely_routes(
    log_odds: np.ndarray,
    pins: PinSets,
    blocked: np.ndarray,
    window_um: float = 11.0,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> np.ndarray:
    """Return the label images of `pruned_search`; zeros for nets whose pins are separated."""
    height, width = log_odds.shape[1:3]
    maze = resistance_maze(
        np.zeros((height, width, len(METAL_CHANNELS)), bool),
        (window_um / width, window_um / height),
    )
    scores = np.moveaxis(log_odds[..., METAL_CHANNELS], -1, 1)
    free = ~np.moveaxis(blocked, -1, 1)
    labels = np.zeros(log_odds.shape, "uint8")
    for i, net in enumerate(pins):
        maze.free = np.ascontiguousarray(free[i])
        distinct = without_repeats(net)
        for threshold in thresholds:
            within = (scores[i] > threshold) if threshold > -np.inf else np.ones_like(maze.free)
            within[:, net[:, 1], net[:, 0]] = True
            _, metal = tree_with_cost(maze, distinct, within)
            if metal is not None:
                labels[i] = drawn(metal, net)
                break
    return labels
