"""The names of nets in files."""

import collections
from collections.abc import Sequence

from keras_route.layout.net import Net

TOP = "TOP"  # the cell, or design, that holds all nets


def titles(nets: Sequence[Net]) -> list[str]:
    """Return the names of nets; a net without a name gets a number."""
    return [net.name or f"net_{i}" for i, net in enumerate(nets)]


def names_in_layout(nets: Sequence[Net]) -> list[str]:
    """Return the `titles` of nets, checked for a layout file.

    Raises:
        ValueError: two nets have one name, or a name has a character that a file cannot hold.
    """
    found = titles(nets)
    counts = collections.Counter([TOP, *found])
    for name in found:
        if counts[name] > 1 or not name.isprintable() or set(name) & set(" ;"):
            raise ValueError(
                f"Nets of a file need different names, other than {TOP} and without spaces and "
                f"semicolons: set `name` with `dataclasses.replace`. Received: name={name!r}"
            )
    return found
