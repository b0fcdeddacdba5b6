"""What a network was trained on, and the warning outside of it."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_route.pins import PinSets

TOLERANCE = 1e-3  # of micrometres per pixel


@dataclasses.dataclass(frozen=True)
class TrainingRange:
    """The windows that a network was trained on.

    Args:
        height: rows.
        width: columns.
        window_um: length of both sides in micrometres.
        min_pins: least number of different pins.
        max_pins: largest number of pins.
        most_blocked: largest share of blocked pixels; None if the network does not see them.
    """

    height: int
    width: int
    window_um: float
    min_pins: int
    max_pins: int
    most_blocked: float | None = None

    def __str__(self) -> str:
        blocked = "" if self.most_blocked is None else f", up to {self.most_blocked:.0%} blocked"
        return (
            f"windows of {self.height} x {self.width} pixels and {self.window_um:g} um, "
            f"{self.min_pins} to {self.max_pins} pins{blocked}"
        )

    def excess(
        self,
        pins: PinSets,
        blocked: Sequence[np.ndarray | None],
        height: int,
        width: int,
        window_um: float,
    ) -> list[str]:
        """Return the arguments of a call of `route` that lie outside, as text."""
        found = []
        if (height, width) != (self.height, self.width):
            found.append(f"height={height}, width={width}")
        if abs(window_um - self.window_um) > TOLERANCE * self.window_um:
            found.append(f"window_um={window_um}")
        counts = pins.distinct().counts
        beyond = np.count_nonzero((counts < self.min_pins) | (counts > self.max_pins))
        if beyond:
            found.append(f"{beyond} of {len(pins)} nets with up to {counts.max()} pins")
        if self.most_blocked is not None:
            shares = [0.0 if taken is None else float(taken.mean()) for taken in blocked]
            # The share of a window is drawn, and its pixels then scatter around that.
            dense = sum(share > self.most_blocked + 0.02 for share in shares)
            if dense:
                found.append(f"{dense} windows with up to {max(shares):.0%} blocked")
        return found


def window_of_training(model) -> dict[str, Any]:
    """Return height, width and window_um that a network of a preset was trained on, else {}."""
    known = getattr(model, "training_range", None)
    if known is None:
        return {}
    return {"height": known.height, "width": known.width, "window_um": known.window_um}


def declare(model: keras.Model, card: Mapping) -> None:
    """Tell a network what it was trained on, if its card does."""
    if "trained_on" in card:
        model.training_range = TrainingRange(**card["trained_on"])


def warn_outside_of_training(
    model,
    pins: PinSets,
    blocked: Sequence[np.ndarray | None],
    height: int,
    width: int,
    window_um: float,
) -> None:
    """Warn if a network of a preset is to decide what it was not trained on.

    Nothing is known of networks that do not come from a preset.
    """
    known = getattr(model, "training_range", None)
    excess = known.excess(pins, blocked, height, width, window_um) if known else []
    if excess:
        warnings.warn(
            f"'{model.name}' was trained on {known}. Outside of that, nets are legal but may be "
            "much longer than necessary: choose another preset, scale the window, or call "
            f"`legalize`, which needs no network. Received: {'; '.join(excess)}",
            stacklevel=3,
        )


def sees_obstacles(model) -> bool:
    """Return whether a network takes images of what is blocked beside those of pins."""
    inputs = getattr(model, "inputs", None)
    return (inputs[0].shape[-1] if inputs else getattr(model, "channels", 1)) > 1
