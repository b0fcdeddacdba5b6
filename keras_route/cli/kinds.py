"""Numbers as the command line takes them."""

import argparse
import math

MOST = 10**9  # of anything that a command counts; more would never end


def positive(text: str) -> int:
    """Return an integer of 1 or more, up to `MOST`."""
    if text.isdecimal() and int(text[:20]) > MOST:
        raise argparse.ArgumentTypeError(f"expected an integer up to {MOST}, got {text[:40]!r}")
    return _integer(text, 1)


def natural(text: str) -> int:
    """Return an integer of 0 or more."""
    return _integer(text, 0)


def positive_float(text: str) -> float:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def share(text: str) -> float:
    """Return a number above 0 and below 1."""
    value = positive_float(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


def _integer(text, least):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected an integer of {least} or more, got {text!r}")
    return value
