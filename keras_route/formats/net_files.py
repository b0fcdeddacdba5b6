"""Reading of the JSON files of nets."""

import os

from keras_route.json_reading import load_json
from keras_route.layout.net import Net


def read_nets(path: str | os.PathLike) -> list[Net]:
    """Return the nets of a file that `write_json` wrote.

    Raises:
        FileNotFoundError, PermissionError: the file cannot be read.
        ValueError: the file holds something else.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [Net.from_dict(fields) for fields in list_of(load_json(file))]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Nets are read from a JSON file that `keras-route route` wrote, or `write_json`. "
            f"Received: path={os.fspath(path)!r} ({error})"
        ) from error


def list_of(value) -> list:
    """Return a list as it is.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} in place of a list")
    return value
