"""Figures of epochs in a CSV file, in which an epoch that is done again replaces its row."""

import csv
import os
from collections.abc import Mapping

from keras_route.files import written_whole


def read_rows(path: str | os.PathLike) -> list[dict]:
    """Return `[{"epoch": number, figure: value, ...}]`, empty if there is no file."""
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {"epoch": int(row.pop("epoch"))} | {k: float(v) for k, v in row.items() if v}
            for row in csv.DictReader(file)
        ]


def with_row(rows: list[dict], epoch: int, figures: Mapping[str, float]) -> list[dict]:
    """Return the rows of earlier epochs and that of this one."""
    earlier = [row for row in rows if row["epoch"] < epoch]
    return [*earlier, {"epoch": epoch, **{name: float(v) for name, v in figures.items()}}]


def write_rows(path: str | os.PathLike, rows: list[dict]) -> None:
    """Write rows, whole or not at all."""
    names = dict.fromkeys(name for row in rows for name in row)
    with (
        written_whole(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
