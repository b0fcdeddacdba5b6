"""How good a router is on held-out nets: its raw decisions, and the nets that `route` makes."""

import dataclasses

import numpy as np

from keras_route.data.random_nets import NetFamily, generate
from keras_route.layout.checking import check
from keras_route.layout.connectivity import connected
from keras_route.pins import pins_of
from keras_route.routing.pins_to_nets import BLOCK, finish, log_odds_of

HELD_OUT_SEED = 2026  # of the nets that are told of, in model cards too


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured on some nets, as shares of one.

    Args:
        nets: how many.
        precision: of all pixels without the pin layer.
        recall: of all pixels without the pin layer.
        f1: of all pixels without the pin layer.
        f1_with_pins: of all pixels of all layers, as published.
        connected: nets that the raw decisions leave in one piece that holds all pins.
        exact: nets of which every pixel of the raw decisions is right.
        routed_legal: nets without a violation of `check` after `route`.
        routed_exact: nets that are the label after `route`.
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

    def __str__(self):
        return "  ".join(
            f"{name} {value}" if name == "nets" else f"{name} {value:.2%}"
            for name, value in dataclasses.asdict(self).items()
        )


def evaluate(
    model,
    count: int = 10_000,
    seed: int = HELD_OUT_SEED,
    batch_size: int = 100,
    progress=None,
    **options,
) -> dict:
    """Return `Figures` of a router on nets of the validation split, over all and by pins.

    Args:
        model: Keras model from images of pins to scores.
        count: how many nets.
        seed: of the nets; not one that chose the weights: `train` validates on its own seed plus 1.
        batch_size: nets that the network sees at once.
        progress: called with the number of nets done so far.
        **options: what the nets are like, the other arguments of `generate`.

    Returns:
        `{"all": Figures, 2: Figures, 3: Figures, ...}`, keyed by the number of distinct pins.
    """
    x, labels = generate(count, seed=seed, **{"split": "validation", **options})
    rows = []
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        rows.append(_rows(model, x[block], labels[block], batch_size, options))
        if progress is not None:
            progress(min(start + BLOCK, count))
    rows = {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
    pins = rows.pop("pins")
    groups = {"all": np.ones(count, bool), **{int(n): pins == n for n in np.unique(pins)}}
    return {
        key: _figures({name: values[group] for name, values in rows.items()})
        for key, group in groups.items()
    }


def _rows(model, x, labels, batch_size, options):
    """Return counts and outcomes, one row for each net."""
    height, width = x.shape[1:3]
    pins = pins_of(x)
    odds = log_odds_of(model, pins, height, width, batch_size)
    actual, raw = labels.astype(bool), odds > 0
    nets = finish(odds, pins, [None] * len(pins), NetFamily(**options).window_um)
    routed = np.stack([net.to_labels() for net in nets])
    wires, guess = actual[..., 1:], raw[..., 1:]
    return {
        "pins": np.array([len(net) for net in pins]),
        "hits": (wires & guess).sum((1, 2, 3)),
        "guessed": guess.sum((1, 2, 3)),
        "actual": wires.sum((1, 2, 3)),
        "pin_hits": (actual & raw)[..., 0].sum((1, 2)),
        "pin_guessed": raw[..., 0].sum((1, 2)),
        "pin_actual": actual[..., 0].sum((1, 2)),
        # Pins are known, so a network that fails to copy them has not opened the net.
        "connected": np.asarray(connected(np.concatenate([labels[..., :1], guess], -1))),
        "exact": (actual == raw).all((1, 2, 3)),
        "routed_legal": np.array([not check(net) for net in nets]),
        "routed_exact": (routed == labels).all((1, 2, 3)),
    }


def _figures(rows):
    total = {name: float(values.sum()) for name, values in rows.items()}
    nets = len(rows["exact"])
    on = total["guessed"] + total["actual"]
    pins_on = total["pin_guessed"] + total["pin_actual"]
    outcomes = ("connected", "exact", "routed_legal", "routed_exact")
    return Figures(
        nets=nets,
        precision=_ratio(total["hits"], total["guessed"]),
        recall=_ratio(total["hits"], total["actual"]),
        f1=_ratio(2 * total["hits"], on),
        f1_with_pins=_ratio(2 * (total["hits"] + total["pin_hits"]), on + pins_on),
        **{name: total[name] / nets for name in outcomes},
    )


def _ratio(part, whole):
    return part / whole if whole else 0.0
