"""Pins of named nets, read from JSON or CSV text."""

import csv
import json
import os

from keras_route.pins import one_net

HEADER = ["net", "x", "y"]


def read_pins(path: str | os.PathLike, height: int = 32, width: int = 32) -> dict[str, list]:
    """Return the pins of each net of a file, in its order.

    Args:
        path: JSON, `{"name": [[x, y], [x, y]], ...}` or a list of such lists of pins, whose nets
            are called net_0, net_1, ...; or, with any other suffix than `.json`, CSV text with a
            line `name, x, y` for each pin. A first line `net, x, y`, empty lines, and lines that
            start with `#` do not count.
        height: rows of the window.
        width: columns of the window.

    Returns:
        `{name: [(x, y), ...]}`, pixels, y = 0 at the top.

    Raises:
        FileNotFoundError, PermissionError: the file cannot be read.
        ValueError: it holds something else, or a net that cannot be routed.
    """
    path = os.fspath(path)
    with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets mark the encoding
        try:
            nets = _json(file) if path.lower().endswith(".json") else _csv(file)
            for name, pins in nets.items():
                _check(name, pins, height, width)
        except (csv.Error, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    if not nets:
        raise ValueError(
            f"{path}: a file of pins must have a net, e.g. the lines `a, 3, 5` and `a, 20, 9`. "
            "Received: none"
        )
    return nets


def _json(file):
    nets = json.load(file, object_pairs_hook=_named_once)
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


def _csv(file):
    nets, lines = {}, csv.reader(file, skipinitialspace=True)
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


def _check(name, pins, height, width):
    try:
        one_net(pins, height, width)
    except (TypeError, ValueError) as error:
        raise ValueError(f"net {name!r}: {error}") from error
