"""Arguments that are one of a few names."""

from collections.abc import Collection


def is_choice(value, choices: Collection[str | None]) -> bool:
    """Return whether a value of any kind is one of `choices`: names, and None if it is there."""
    return (value is None or isinstance(value, str)) and value in choices
