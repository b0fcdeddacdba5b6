"""What arguments that are numbers must be."""

import math
import numbers
from collections.abc import Callable, Iterable, Iterator

import numpy as np


def _is_positive(value) -> bool:
    return value > 0


def whole_number(
    name: str,
    value,
    expectation: str = "a positive integer",
    holds: Callable[[int], bool] = _is_positive,
) -> int:
    """Return the argument called `name` if it is an integer for which `holds` is true.

    Args:
        expectation: what the argument must be, in words.

    Raises:
        ValueError: it is not; True and False are no numbers.
    """
    return int(_checked(name, value, expectation, holds, numbers.Integral))


def whole_numbers(
    name: str, values, expectation: str, holds: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """Return the argument called `name` if it is some integers for which `holds` is true.

    Args and errors: as in `whole_number`.
    """
    found = tuple(values) if isinstance(values, Iterable) else ()
    kinds = {type(value) for value in found}
    integers = all(issubclass(kind, numbers.Integral) and kind is not bool for kind in kinds)
    if not (found and integers and holds(found)):
        received = found if isinstance(values, Iterator) else values
        raise ValueError(f"`{name}` must be {expectation}. Received: {name}={received!r}")
    return tuple(int(value) for value in found)


def real_number(
    name: str,
    value,
    expectation: str = "a positive number",
    holds: Callable[[float], bool] = _is_positive,
) -> float:
    """Return the argument called `name` if it is a finite number for which `holds` is true.

    Args and errors: as in `whole_number`.
    """
    return float(_checked(name, value, expectation, holds, numbers.Real))


def require_numbers(array: np.ndarray, place: str):
    """Check that the data at a place, such as "Input 'x'", are real numbers, finite or not.

    Raises:
        ValueError: they are complex numbers, dates, texts or objects.
    """
    kind = array.dtype.kind
    if kind not in "biuf" and "float" not in array.dtype.name:  # to numpy, bfloat16 is a void
        raise ValueError(
            f"{place} expects real numbers: convert the data. Received: dtype={array.dtype}"
        )


def require_finite(array: np.ndarray, place: str):
    """Check that the numbers at a place are neither NaN nor infinite.

    Raises:
        ValueError: some are.
    """
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(
            f"{place} must be finite: remove NaN and infinity from the data. "
            f"Received: {np.count_nonzero(~finite)} of {array.size} values."
        )


def _checked(name, value, expectation, holds, kind):
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if not (is_number and _is_finite(value) and holds(value)):
        raise ValueError(f"`{name}` must be {expectation}. Received: {name}={value!r}")
    return value


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False
