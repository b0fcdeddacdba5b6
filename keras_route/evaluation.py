"""The quality of a router on held-out nets: its raw decisions, and the nets that `route` makes."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_route.argument_checks import check_integer, check_network, check_progress
from keras_route.data.random_nets import MOST_NETS, NetFamily, generate
from keras_route.layout.checking import check
from keras_route.metrics import ConnectedRate, ExactMatch, PixelF1, PixelPrecision, PixelRecall
from keras_route.models.training_range import sees_obstacles
from keras_route.pins import pins_of
from keras_route.routing.pins_to_nets import BLOCK, finish, log_odds_of

HELD_OUT_SEED = 2026  # of the nets behind all published figures, in model cards too


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured on some nets, as shares of one.

    Args:
        nets: number of nets.
        precision: `PixelPrecision` of the raw decisions, without the pin layer.
        recall: `PixelRecall` of the raw decisions, without the pin layer.
        f1: `PixelF1` of the raw decisions, without the pin layer.
        f1_with_pins: `PixelF1` of the raw decisions on all layers, as published.
        connected: `ConnectedRate` of the raw decisions.
        exact: `ExactMatch` of the raw decisions.
        routed_legal: share of the nets without a violation of `check` after `route`.
        routed_exact: `ExactMatch` after `route`.
    """

    nets: int
    precision: float
    recall: float
    f1: float
    f1_with_pins: float
    connected: float
    exact: float
    routed_legal: float
    routed_exact: float

    def __str__(self) -> str:
        return "  ".join(
            f"{name} {value}" if name == "nets" else f"{name} {value:.2%}"
            for name, value in dataclasses.asdict(self).items()
        )


def evaluate(
    model,
    count: int = 10_000,
    seed: int = HELD_OUT_SEED,
    batch_size: int = 100,
    progress: Callable[[int], None] | None = None,
    **options,
) -> dict[str | int, Figures]:
    """Return `Figures` of a router on nets of the validation split, for all and by pins.

    Args:
        model: Keras model from images of pins to scores.
        count: number of nets.
        seed: of the nets. Do not use the seed that chose the weights: `train` validates on its own
            seed plus 1.
        batch_size: nets that the network sees at once.
        progress: called with the number of nets done so far.
        **options: the other arguments of `generate`.

    Raises:
        TypeError, ValueError: an argument is wrong; or the network sees obstacles, which the
            layout rule does not.

    Returns:
        `{"all": Figures, 2: Figures, 3: Figures, ...}`, keyed by the number of distinct pins.
    """
    check_network(model)
    check_integer("count", count, 1, MOST_NETS)
    check_integer("batch_size", batch_size, 1)
    check_progress(progress)
    if sees_obstacles(model):
        raise ValueError(
            "The nets of the layout rule are for networks that see pins alone: call "
            "`keras_route.training.search_evaluation.evaluate_search`, or `keras-route evaluate`. "
            f"Received: model={getattr(model, 'name', model)!r}, which sees obstacles"
        )
    x, labels = generate(count, seed=seed, **{"split": "validation", **options})
    height, width = x.shape[1:3]
    window_um = NetFamily(**options).window_um
    all_nets, by_pins = _Tally(), dict[int, _Tally]()
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        pins, actual = pins_of(x[block]), labels[block]
        odds = log_odds_of(model, pins, height, width, batch_size)
        nets = finish(odds, pins, [None] * len(pins), window_um)
        legal = np.array([not check(net) for net in nets])
        outcomes = (actual, odds > 0, np.stack([net.to_labels() for net in nets]), legal)
        all_nets.add(*outcomes)
        for number in np.unique(pins.counts).tolist():
            chosen = pins.counts == number
            by_pins.setdefault(number, _Tally()).add(*(values[chosen] for values in outcomes))
        if progress is not None:
            progress(min(start + BLOCK, count))
    tallies: dict[str | int, _Tally] = {"all": all_nets, **dict(sorted(by_pins.items()))}
    return {key: tally.figures() for key, tally in tallies.items()}


class _Tally:
    """The metrics behind `Figures`, which count over blocks of nets."""

    def __init__(self):
        exact = "float64"  # a figure is the exact ratio of its counts
        self.raw = {
            "precision": PixelPrecision(pins=False, dtype=exact),
            "recall": PixelRecall(pins=False, dtype=exact),
            "f1": PixelF1(pins=False, dtype=exact),
            "f1_with_pins": PixelF1(dtype=exact),
            "connected": ConnectedRate(dtype=exact),
            "exact": ExactMatch(dtype=exact),
        }
        self.routed_exact = ExactMatch(dtype=exact)
        self.nets, self.legal = 0, 0

    def add(self, actual, raw, routed, legal):
        """Count nets: label images (N, height, width, 8), and booleans (N,)."""
        for metric in self.raw.values():
            metric.update_state(actual, raw)
        self.routed_exact.update_state(actual, routed)
        self.nets += len(legal)
        self.legal += int(legal.sum())

    def figures(self) -> Figures:
        """Return the figures of the nets counted so far."""
        return Figures(
            nets=self.nets,
            **{name: float(metric.result()) for name, metric in self.raw.items()},
            routed_legal=self.legal / self.nets,
            routed_exact=float(self.routed_exact.result()),
        )
