"""From pins to legal nets: the network scores, and a decoder or a search routes."""

from collections.abc import Callable, Sequence

import numpy as np

from keras_route.data.random_nets import NetFamily
from keras_route.layout.blocked import METAL_CHANNELS, blocked_metal, footprint
from keras_route.layout.net import Net
from keras_route.models.comparator import SCORES, log_odds
from keras_route.models.training_range import sees_obstacles, warn_outside_of_training
from keras_route.pins import PinSets, checked_pins, pins_of
from keras_route.routing.decode import decode
from keras_route.routing.legalize import legalize
from keras_route.routing.pruned_search import pruned_search

BLOCK = 1024


def route(
    model,
    pins,
    height: int = 32,
    width: int = 32,
    blocked: np.ndarray | None = None,
    window_um: float = 11.0,
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> list[Net]:
    """Return a net for each set of pins; every net is connected and legal.

    The network scores all nets in batches. What follows depends on what the network sees:

    - Pins alone (`Router`, `FCNRouter`): each net becomes the single-trunk route with the best
      scores (see `decode`). If something blocked is in its way, it becomes the cheapest route
      around that (see `legalize`).
    - Pins and what is blocked (`SearchRouter`): each net becomes the route of least resistance on
      the pixels that the network holds likely (see `pruned_search`).

    A network of a preset knows what it was trained on. Outside of that, `route` warns.

    Args:
        model: Keras model from images (N, height, width, 1) of pins, or (N, height, width, 5) of
            pins and blocked m3, m4, m5, m6, to scores (N, height, width, 16), channel 2k off and
            2k+1 on for layer k of `LAYERS`.
        pins: list of nets, each (n, 2) integers `(x, y)`; or images (N, height, width, 1) of zeros
            and ones, which then set height and width.
        height: rows of the window.
        width: columns of the window.
        blocked: where no net may have metal, neither wires nor stacks of vias: bool array
            (height, width) for all metals, (height, width, 4) for each of m3, m4, m5, m6, or
            (N, height, width, 4) for each net.
        window_um: size of the window in micrometres, in both directions.
        batch_size: nets that the network sees at once.
        progress: called with the number of nets done so far.

    Returns:
        List of `Net`; `repaired` and `changed` compare each with the network's decision.

    Raises:
        TypeError: coordinates are not integers.
        ValueError: the window has no room for two pins; a pin lies outside of it; a net has fewer
            than two different pins; an array or the scores have another shape; or blocked pixels
            separate the pins of a net.
    """
    if getattr(pins, "ndim", 0) == 4:
        height, width = pins.shape[1:3]
        pins = pins_of(np.asarray(pins))
    NetFamily(height, width, window_um=window_um)  # checks the window
    # Checks every net before any is routed.
    nets = PinSets.of(checked_pins(net, height, width) for net in pins)
    taboo = _blocked_for_each(blocked, len(nets), height, width)
    warn_outside_of_training(model, nets, taboo, height, width, window_um)
    completed = searched if sees_obstacles(model) else finish
    routed: list[Net] = []
    for start in range(0, len(nets), BLOCK):
        part, taken = nets.part(start, start + BLOCK), taboo[start : start + BLOCK]
        decided = log_odds_of(model, part, height, width, batch_size, taken)
        routed += completed(decided, part, taken, window_um)
        if progress is not None:
            progress(len(routed))
    return routed


def log_odds_of(
    model,
    pins: PinSets,
    height: int,
    width: int,
    batch_size: int,
    blocked: Sequence[np.ndarray | None] = (),
) -> np.ndarray:
    """Return a network's score of on minus its score of off, (N, height, width, 8).

    Raises:
        ValueError: the network returns another shape.
    """
    obstacles = len(METAL_CHANNELS) if sees_obstacles(model) else 0
    images = np.zeros((len(pins), height, width, 1 + obstacles), "float32")
    images[pins.net, pins.y, pins.x, 0] = 1
    for image, taken in zip(images, blocked if obstacles else (), strict=False):
        if taken is not None:
            image[..., 1:] = taken
    # By batch, because `predict` builds a pipeline each time, which costs as much as 500 nets.
    batches = (images[i : i + batch_size] for i in range(0, len(images), batch_size))
    scores = np.concatenate([np.asarray(model.predict_on_batch(batch)) for batch in batches])
    expected = (len(pins), height, width, SCORES)
    if scores.shape != expected:
        raise ValueError(
            "A network for routing returns a score for off and for on of each layer, of shape "
            f"{expected}. Received: model={getattr(model, 'name', model)!r}, which returns "
            f"{scores.shape}"
        )
    return log_odds(scores)


def finish(
    decided: np.ndarray,
    pins: PinSets,
    blocked: Sequence[np.ndarray | None],
    window_um: float = 11.0,
) -> list[Net]:
    """Return legal nets from the log-odds of a network.

    Args:
        decided: log-odds (N, height, width, 8), score of on minus score of off.
        pins: N nets inside the window, each with two different pins or more.
        blocked: for each net a bool array (height, width, 4), or None.
        window_um: size of the window in micrometres.

    Raises:
        ValueError: blocked pixels separate the pins of a net.
    """
    labels, nets = decode(decided, pins), list(pins)
    for i, taken in enumerate(blocked):
        if taken is not None and (footprint(labels[i], nets[i]) & taken).any():
            labels[i] = legalize(decided[i], nets[i], taken, window_um)
    return _as_nets(labels, nets, decided, window_um)


def searched(
    decided: np.ndarray,
    pins: PinSets,
    blocked: Sequence[np.ndarray | None],
    window_um: float = 11.0,
) -> list[Net]:
    """Return nets of least resistance on the pixels that a network holds likely; see `finish`."""
    taboo = np.zeros((*decided.shape[:3], len(METAL_CHANNELS)), bool)
    for one, taken in zip(taboo, blocked, strict=True):
        if taken is not None:
            one[:] = taken
    return _as_nets(pruned_search(decided, pins, taboo, window_um), list(pins), decided, window_um)


def _as_nets(labels, nets, decided, window_um):
    changed = np.count_nonzero(labels.astype(bool) != (decided > 0), axis=(1, 2, 3)).tolist()
    return [
        Net.from_labels(label, net, window_um=window_um, changed=count)
        for label, net, count in zip(labels, nets, changed, strict=True)
    ]


def _blocked_for_each(blocked, count, height, width):
    """Return what is blocked for each net: bool array (height, width, 4), or None."""
    if blocked is None:
        return [None] * count
    if np.ndim(blocked) < 4:
        return [blocked_metal(blocked, height, width)] * count
    if len(blocked) != count:
        raise ValueError(
            f"`blocked` for each net has one entry for each of the {count} nets. "
            f"Received: blocked of shape {np.shape(blocked)}"
        )
    return [blocked_metal(taken, height, width) for taken in blocked]
