"""The quality of nets beside obstacles, compared with the search for cheapest routes."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from keras_route.evaluation import HELD_OUT_SEED
from keras_route.layout.blocked import METAL_CHANNELS
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.models.training_range import window_of_training
from keras_route.routing.legalize import drawn, resistance_maze, separated
from keras_route.routing.maze import tree_with_cost
from keras_route.routing.pins_to_nets import route
from keras_route.technology.layers import VIAS
from keras_route.training.search_labels import SearchFamily

SHARES = (0.0, 0.1, 0.2, 0.4)
PINS = range(2, 11)
WINDOW_KINDS = len(SHARES) * len(PINS)
USUAL = SearchFamily()
VIA_CHANNELS = [via.channel for via in VIAS.values()]


@dataclasses.dataclass(frozen=True)
class Window:
    """A window that no network was trained on.

    Args:
        share: of its pixels that are to be blocked.
        pins: pin array.
        blocked: bool array (height, width, 4).
        net: a cheapest net, as the search finds it.
    """

    share: float
    pins: np.ndarray
    blocked: np.ndarray
    net: Net


@dataclasses.dataclass(frozen=True)
class SearchFigures:
    """What was measured on nets beside obstacles.

    Args:
        nets: number of nets.
        cost: sum of their costs, as a multiple of that of the cheapest nets.
        cheapest: share of the nets that cost as little as the cheapest.
        legal: share of the nets without a violation of `check`.
        um: length of the wires of a net, on average.
        cuts: number of its vias, with those of the stacks below the pins.
        ohm: sum of its resistances.
    """

    nets: int
    cost: float
    cheapest: float
    legal: float
    um: float
    cuts: float
    ohm: float

    def __str__(self) -> str:
        return (
            f"{self.nets} nets  cost {self.cost:.4f}  cheapest {self.cheapest:.1%}  "
            f"legal {self.legal:.2%}  {self.um:.2f} um  {self.cuts:.2f} cuts  {self.ohm:.1f} ohm"
        )


def evaluate_search(
    model,
    count: int = 30,
    seed: int = HELD_OUT_SEED,
    progress: Callable[[int], None] | None = None,
    **window,
) -> dict[str, SearchFigures]:
    """Return the figures of the nets that `route` makes with a network.

    Windows of the validation split have 0, 10, 20 or 40 % of their pixels blocked, and 2 to 10
    pins; there are `count` of each kind. By default, they have the size of those that a network of
    a preset was trained on, else 32 x 32 pixels and 11 um.

    Args:
        model: Keras model, as for `route`.
        count: windows of each kind.
        seed: of the windows.
        progress: called with the number of nets done so far.
        **window: `height`, `width` and `window_um`, those of `SearchFamily`.

    Returns:
        Figures for `"all"`, for each share of blocked pixels, and for each number of pins.
    """
    family = dataclasses.replace(USUAL, **{**window_of_training(model), **window})
    windows = held_out_windows(count, seed, family)
    blocked = np.stack([window.blocked for window in windows])
    pins = [window.pins for window in windows]
    nets = route(
        model, pins, family.height, family.width, blocked, family.window_um, progress=progress
    )
    return grouped(windows, nets)


def held_out_windows(
    count: int, seed: int = HELD_OUT_SEED, family: SearchFamily = USUAL
) -> list[Window]:
    """Return the windows of `evaluate_search`, 36 times `count` of them.

    Args:
        count: windows of each kind.
        seed: of the windows.
        family: whose size they have.
    """
    windows = []
    for share in SHARES:
        for pins in PINS:
            kind = dataclasses.replace(
                family,
                min_pins=pins,
                max_pins=pins,
                least_blocked=share,
                most_blocked=share,
                split="validation",
            )
            drawn_windows = [kind.window(seed, index) for index in range(count)]
            windows += [
                Window(share, pins, blocked, searched_net(pins, blocked, family.window_um))
                for pins, blocked in drawn_windows
            ]
    return windows


def searched_net(pins: np.ndarray, blocked: np.ndarray, window_um: float = USUAL.window_um) -> Net:
    """Return the cheapest net, by the search alone."""
    _, metal = tree_with_cost(resistance_maze(blocked, _um_per_px(blocked, window_um)), pins)
    if metal is None:
        raise separated(pins, blocked)
    return Net.from_labels(drawn(metal, pins), pins, window_um=window_um)


def grouped(windows: Sequence[Window], nets: Sequence[Net]) -> dict[str, SearchFigures]:
    """Return the figures of a net for each window: of all, by blocked share and by pins."""
    pairs = list(zip(windows, nets, strict=True))
    members = {"all": pairs}
    for share in SHARES:
        members[f"{share:.0%} blocked"] = [p for p in pairs if p[0].share == share]
    for pins in sorted({len(window.pins) for window in windows}):
        members[f"{pins} pins"] = [p for p in pairs if len(p[0].pins) == pins]
    return {name: search_figures(chosen) for name, chosen in members.items() if chosen}


def search_figures(pairs: Sequence[tuple[Window, Net]]) -> SearchFigures:
    """Return the figures of nets in their windows."""
    rows = []
    for window, net in pairs:
        cost, least = route_cost(net, window.blocked), route_cost(window.net, window.blocked)
        legal = not check(net, window.blocked)
        rows.append(
            (cost, least, cost <= least, legal, net.wire_length, len(net.cuts()), net.resistance())
        )
    cost, least, cheapest, legal, um, cuts, ohm = np.mean(rows, axis=0).tolist()
    return SearchFigures(len(rows), cost / least, cheapest, legal, um, cuts, ohm)


def route_cost(net: Net, blocked: np.ndarray) -> int:
    """Return the cost of a net, as the search counts it, whatever is blocked."""
    maze = resistance_maze(np.zeros_like(blocked), _um_per_px(blocked, net.window_um))
    labels = np.moveaxis(net.to_labels().astype(bool), -1, 0)
    metal = labels[METAL_CHANNELS]
    stacks = sum(maze.vias[: metal[:, y, x].argmax(), y, x].sum() for x, y in set(net.pins))
    return int(maze.pixels[metal].sum() + maze.vias[labels[VIA_CHANNELS]].sum() + stacks)


def _um_per_px(blocked, window_um):
    height, width, _ = blocked.shape
    return window_um / width, window_um / height
