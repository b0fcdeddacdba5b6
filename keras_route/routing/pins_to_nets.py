"""From pins to legal nets: the network scores, and a decoder or a search routes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from keras_route.argument_checks import check_integer, check_network, check_progress
from keras_route.data.random_nets import NetFamily
from keras_route.layout.blocked import METAL_CHANNELS, blocked_array, blocked_metal, footprint
from keras_route.layout.net import Net
from keras_route.models.comparator import SCORES, log_odds
from keras_route.models.training_range import sees_obstacles, warn_outside_of_training
from keras_route.pins import PinSets, checked_pins, pins_of
from keras_route.routing.decode import decode
from keras_route.routing.legalize import legal_route
from keras_route.routing.pruned_search import likely_routes

BLOCK = 1024  # nets that are in memory at once, in windows of up to 64 x 64 pixels
BLOCK_PIXELS = BLOCK * 64 * 64
MOST_TOLD = 5  # nets of an error


def route(
    model,
    pins,
    height: int = 32,
    width: int = 32,
    blocked: np.ndarray | None = None,
    window_um: float = 11.0,
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
    names: Sequence[str] | None = None,
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
        names: of the nets, one for each; errors tell them, too.

    Returns:
        List of `Net`; `repaired` and `changed` compare each with the network's decision.

    Raises:
        TypeError: coordinates are not integers, or an argument has the wrong type.
        ValueError: the window has no room for two pins; a pin lies outside of it; a net has fewer
            than two different pins; an array or the scores have another shape; or blocked pixels
            separate the pins of nets. All nets are tried before, and the error names those.
    """
    check_network(model)
    check_integer("batch_size", batch_size, 1)
    check_progress(progress)
    if getattr(pins, "ndim", 0) == 4:
        height, width = pins.shape[1:3]
        pins = pins_of(np.asarray(pins))
    NetFamily(height, width, window_um=window_um)  # checks the window
    # Checks every net before any is routed.
    nets = _checked_nets(pins, height, width, names)
    taboo = _blocked_for_each(blocked, len(nets), height, width)
    warn_outside_of_training(model, nets, taboo, height, width, window_um)
    completed = searched if sees_obstacles(model) else finish
    routed: list[Net] = []
    block = min(BLOCK, max(1, BLOCK_PIXELS // (height * width)))
    for start in range(0, len(nets), block):
        part, taken = nets.part(start, start + block), taboo[start : start + block]
        decided = log_odds_of(model, part, height, width, batch_size, taken)
        routed += completed(decided, part, taken, window_um)
        if progress is not None:
            progress(len(routed))
    if names is not None:
        routed = [replace(net, name=name) for net, name in zip(routed, names, strict=True)]
    _check_joined(routed, taboo)
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
    decided = []
    for start in range(0, len(images), batch_size):
        # By batch, because `predict` builds a pipeline each time, which costs as much as 500 nets.
        batch = images[start : start + batch_size]
        scores = np.asarray(model.predict_on_batch(batch))
        expected = (*batch.shape[:3], SCORES)
        if scores.shape != expected:
            raise ValueError(
                "A network for routing returns a score for off and for on of each layer, of shape "
                f"{expected}. Received: model={getattr(model, 'name', model)!r}, which returns "
                f"{scores.shape}"
            )
        decided.append(log_odds(scores))
    return np.concatenate(decided)


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

    Returns:
        The nets. One whose pins are separated by blocked pixels has no wires.
    """
    labels, nets = decode(decided, pins), list(pins)
    for i, taken in enumerate(blocked):
        if taken is not None and (footprint(labels[i], nets[i]) & taken).any():
            legal = legal_route(decided[i], nets[i], taken, window_um)
            labels[i] = 0 if legal is None else legal
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
    return _as_nets(likely_routes(decided, pins, taboo, window_um), list(pins), decided, window_um)


def _as_nets(labels, nets, decided, window_um):
    changed = np.count_nonzero(labels != (decided > 0), axis=(1, 2, 3)).tolist()
    return [
        Net.from_labels(label, net, window_um=window_um, changed=count)
        for label, net, count in zip(labels, nets, changed, strict=True)
    ]


def _checked_nets(pins, height, width, names):
    """Return the pins of all nets; an error tells which net is wrong."""
    try:
        nets = list(pins)
    except TypeError as error:
        raise TypeError(
            f"`pins` must be a list of nets, each a list of (x, y) pairs. Received: pins={pins!r}"
        ) from error
    if names is not None and not (
        isinstance(names, list | tuple)
        and len(names) == len(nets)
        and all(isinstance(name, str) for name in names)
    ):
        raise ValueError(
            f"`names` must be a list with the name of each of the {len(nets)} nets. "
            f"Received: names={names!r}"
        )
    return PinSets.of(
        _checked_net(net, height, width, _title(i, names[i] if names is not None else ""))
        for i, net in enumerate(nets)
    )


def _checked_net(pins, height, width, title):
    try:
        return checked_pins(pins, height, width)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{title}: {error}") from error


def _check_joined(nets, blocked):
    """Raise an error if there are nets without wires, which blocked pixels separate."""
    apart = [i for i, net in enumerate(nets) if not net.wires]
    if apart:
        told = [
            f"{_title(i, nets[i].name)} with pins={list(nets[i].pins)} and "
            f"{int(blocked[i].sum())} of {blocked[i].size} pixels blocked"
            for i in apart[:MOST_TOLD]
        ]
        more = f", and {len(apart) - MOST_TOLD} further nets" if len(apart) > MOST_TOLD else ""
        raise ValueError(
            "Pins can be joined where a way is free: block less, enlarge the window, or leave "
            f"these nets out. Received: {len(apart)} of {len(nets)} nets whose pins are "
            f"separated: {'; '.join(told)}{more}"
        )


def _title(index, name):
    return f"net {index}" + (f" {name!r}" if name else "")


def _blocked_for_each(blocked, count, height, width):
    """Return what is blocked for each net: bool array (height, width, 4), or None."""
    if blocked is None:
        return [None] * count
    blocked = blocked_array(blocked)
    if blocked.ndim < 4:
        return [blocked_metal(blocked, height, width)] * count
    if len(blocked) != count:
        raise ValueError(
            f"`blocked` for each net has one entry for each of the {count} nets. "
            f"Received: blocked of shape {np.shape(blocked)}"
        )
    return [blocked_metal(taken, height, width) for taken in blocked]
