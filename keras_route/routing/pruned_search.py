"""The cheapest routes on the pixels that a network holds likely."""

import math

import numpy as np

from keras_route.layout.blocked import METAL_CHANNELS
from keras_route.pins import PinSets, without_repeats
from keras_route.routing.legalize import draw_metal, resistance_maze, separated
from keras_route.routing.maze import EXACT_NODES, EXACT_PINS, HORIZONTAL
from keras_route.technology.layers import LAYERS

# Log-odds above which pixels are likely, by the number of pins. Each pin makes the search two to
# three times as long, so with many pins it looks at fewer pixels.
LIKELY = {2: -6.5, 3: -6.5, 4: -6.5, 5: -6.0, 6: -5.5, 7: -5.0, 8: -4.5, 9: -4.0, 10: -3.5}
LIKELY_OF_MORE = -5.0  # of more pins, which the search joins one after the other
# In a larger window the search for all takes longer, so it may look at more. These limits are those
# of 32 x 32 pixels; each doubling lowers them by so much.
LOWER = 0.75
# If likely pixels do not join the pins, those down to lower scores are searched, and at last all.
FURTHER = (0.0, 2.0, 4.0, 7.0, np.inf)


def pruned_search(
    log_odds: np.ndarray,
    pins: PinSets,
    blocked: np.ndarray,
    window_um: float = 11.0,
) -> np.ndarray:
    """Return for each net a legal route: the one of least resistance on likely pixels.

    The stacks above the pins are searched, too. Scores choose pixels and do not change costs. So
    the route is a cheapest one if the likely pixels hold one. With fewer pins, more pixels are
    likely, because the search takes less time.

    Args:
        log_odds: array (N, height, width, 8), score of on minus score of off. NaN counts as
            unlikely.
        pins: N nets inside the window, each with two different pins or more.
        blocked: bool array (N, height, width, 4).
        window_um: size of the window in micrometres, in both directions.

    Returns:
        uint8 array (N, height, width, 8), the label images.

    Raises:
        ValueError: blocked pixels separate the pins of a net.
    """
    labels = likely_routes(log_odds, pins, blocked, window_um)
    for i in np.flatnonzero(~labels.any(axis=(1, 2, 3))):
        raise separated(list(pins)[i], blocked[i])
    return labels


def likely_routes(
    log_odds: np.ndarray, pins: PinSets, blocked: np.ndarray, window_um: float = 11.0
) -> np.ndarray:
    """Return the label images of `pruned_search`; zeros for nets whose pins are separated."""
    labels = np.zeros(log_odds.shape, "uint8")
    labels[pins.net, pins.y, pins.x, LAYERS.index("pin")] = 1
    draw_metal(labels, _likely_trees(log_odds, pins, blocked, window_um))
    labels[~labels[..., METAL_CHANNELS].any(axis=(1, 2, 3))] = 0
    return labels


def _likely_trees(
    log_odds: np.ndarray, pins: PinSets, blocked: np.ndarray, window_um: float
) -> np.ndarray:
    """Return the metal of `pruned_search`, (N, 4, height, width); none if pins are separated."""
    from keras_route.routing.compiled import likely, trees

    _, height, width, _ = log_odds.shape
    nothing = np.zeros((height, width, len(METAL_CHANNELS)), bool)
    pixels, vias, far = resistance_maze(nothing, (window_um / width, window_um / height)).costs
    scores, blocked = np.ascontiguousarray(log_odds, "float32"), np.ascontiguousarray(blocked, bool)
    channels = np.array(METAL_CHANNELS)
    free, usable = np.empty((2, *pixels.shape), bool)
    found = np.zeros((len(scores), *pixels.shape), bool)
    lower = LOWER * max(0.0, math.log2(height * width / 32**2))
    for n, net in enumerate(pins):
        x, y = np.ascontiguousarray(without_repeats(net).T)
        first = LIKELY.get(len(x), LIKELY_OF_MORE) - lower
        for further in FURTHER:
            size = likely.mark_likely(
                scores[n], channels, blocked[n], first - further, x, y, free, usable
            )
            exact = len(x) <= EXACT_PINS and size << (len(x) - 1) <= EXACT_NODES
            search = trees.cheapest if exact else trees.nearest_first
            cost, metal = search(pixels, vias, free, usable, HORIZONTAL, x, y, far)
            if cost < far[0]:
                found[n] = metal
                break
    return found
