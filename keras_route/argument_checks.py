"""Checks of the arguments of public functions."""

import math
import numbers

import numpy as np


def check_integer(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise an error if an argument is not an integer, or is too small or too large."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value!r}")
    if most is not None and value > most:
        raise ValueError(f"`{name}` must be at most {most}. Received: {name}={value!r}")


def check_flag(name: str, value: object) -> None:
    """Raise an error if an argument is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False. Received: {name}={value!r}")


def check_length(name: str, value: object, what: str) -> None:
    """Raise an error if an argument is not a positive, finite length; `what` says of what."""
    number = float(value) if isinstance(value, numbers.Real) else math.nan
    if isinstance(value, bool) or not 0 < number < math.inf:
        raise ValueError(
            f"`{name}` must be the positive length of {what} in micrometres. "
            f"Received: {name}={value!r}"
        )


def check_network(model: object) -> None:
    """Raise an error if an argument cannot score images as a Keras model does."""
    if not callable(getattr(model, "predict_on_batch", None)) or isinstance(model, type):
        raise TypeError(
            "`model` must be a Keras model from images of pins to scores: load one, e.g. "
            f'`Router.from_preset("router_32")`. Received: model={model!r}'
        )


def check_progress(progress: object) -> None:
    """Raise an error if an argument is neither a function nor None."""
    if progress is not None and not callable(progress):
        raise TypeError(
            "`progress` must be a function of the number of nets done so far, or None. "
            f"Received: progress={progress!r}"
        )
