"""Files of pins, in JSON or CSV."""

import csv
import os
from typing import TextIO

import numpy as np

from keras_route.json_reading import load_json
from keras_route.pins import checked_places

HEADER = ["net", "x", "y"]


def read_pins(path: str | os.PathLike, height: int = 32, width: int = 32) -> dict[str, np.ndarray]:
    """Return the pins of each net of a file, in the order of the file.

    Args:
        path: a file that ends in `.json` holds `{"name": [[x, y], [x, y]], ...}`; or a list of such
            lists of pins, whose nets get the names net_0, net_1, ... Any other file holds CSV, with
            a line `name, x, y` for each pin. A first line `net, x, y`, empty lines, and lines that
            start with `#` do not count.
        height: rows of the window.
        width: columns of the window.

    Returns:
        Name to pin array: pixels, y = 0 at the top. A net whose pins all lie in one place is
        among them, though it needs no wire (see `needs_wires`).

    Raises:
        FileNotFoundError, PermissionError: the file cannot be read.
        ValueError: the file holds something else, or a net that does not lie in the window.
    """
    path = os.fspath(path)
    with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark
        try:
            nets = _json(file) if path.lower().endswith(".json") else _csv(file)
            pins = {name: _checked(name, net, height, width) for name, net in nets.items()}
        except (csv.Error, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    if not nets:
        raise ValueError(
            f"{path}: a file of pins must have a net, e.g. the lines `a, 3, 5` and `a, 20, 9`. "
            "Received: none"
        )
    return pins


def _json(file):
    nets = load_json(file, object_pairs_hook=_named_once)
    if isinstance(nets, list):
        nets = {f"net_{i}": pins for i, pins in enumerate(nets)}
    if not isinstance(nets, dict) or not all(isinstance(pins, list) for pins in nets.values()):
        raise ValueError(
            'Pins in JSON are {"name": [[x, y], [x, y]], ...}, or a list of lists of pins. '
            f"Received: {str(nets)[:60]}"
        )
    return nets


def _named_once(pairs):
    nets = dict(pairs)
    if len(nets) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"A name stands for one net: put all of its pins into one list. Received: {twice!r} "
            "more than once"
        )
    return nets


def _csv(file: TextIO) -> dict[str, list[tuple[int, int]]]:
    nets: dict[str, list[tuple[int, int]]] = {}
    lines = csv.reader(file, skipinitialspace=True)
    for row in lines:
        row = [cell.strip() for cell in row]
        if not any(row) or row[0].startswith("#") or (row == HEADER and not nets):
            continue
        try:
            name, x, y = row
            nets.setdefault(name, []).append((int(x), int(y)))
        except ValueError as error:
            raise ValueError(
                f"line {lines.line_num} must be `name, x, y` with whole pixels. "
                f"Received: {', '.join(row)!r}"
            ) from error
    return nets


def _checked(name, pins, height, width):
    try:
        return checked_places(pins, height, width)
    except (TypeError, ValueError) as error:
        raise ValueError(f"net {name!r}: {error}") from error
