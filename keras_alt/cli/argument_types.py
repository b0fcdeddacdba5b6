"""What the arguments of the command line may be; argparse tells their errors."""

import argparse
import math
from fractions import Fraction


def budget(text: str) -> int | Fraction:
    """Return a number, or a share of what there is now as a `Fraction`."""
    value = integer(text.removesuffix("%"), 1)
    return Fraction(value, 100) if text.endswith("%") else value


def positive(text: str) -> int:
    """Return an integer of 1 or more."""
    return integer(text, 1)


def natural(text: str) -> int:
    """Return an integer of 0 or more."""
    return integer(text, 0)


def width(text: str) -> int:
    """Return a width in bits."""
    return integer(text, 2)


def format(text: str) -> int | str:
    """Return a width in bits, or the name of a format."""
    return int(text) if text.isdecimal() else text


def finite(text: str) -> float:
    """Return a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return value


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    value = finite(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def integer(text: str, least: int) -> int:
    """Return an integer of `least` or more."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected an integer of {least} or more, got {text!r}")
    return value
