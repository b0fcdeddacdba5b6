"""Sensitivities and the widths that follow from them, in files."""

import json
import os
from fractions import Fraction

from keras_alt.text_tables import text_table
from keras_alt.width_search import Sensitivity, allocate
from keras_alt.width_search.table import WEIGHTS, Totals


def read_sensitivity(path: str | os.PathLike) -> Sensitivity:
    """Return the table of a file that `keras-alt sensitivity` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    return Sensitivity.from_dict(_read(path, "`keras-alt sensitivity --output`"))


def read_overrides(path: str | os.PathLike) -> dict[str, dict[str, int | None]]:
    """Return the `overrides` of a file that `keras-alt allocate` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    data = _read(path, "`keras-alt allocate --output`")
    if not isinstance(data, dict) or not all(isinstance(v, dict) for v in data.values()):
        raise ValueError(
            'A file of overrides must hold `{"layer": {"weights": bits}}`. '
            f"Received: {path} with {str(data)[:60]}"
        )
    return data


def write_json(data, path: str | os.PathLike):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)


def allocated(
    sensitivity: Sensitivity, size: int | Fraction | None, bit_operations: int | Fraction | None
) -> dict[str, dict[str, int]]:
    """Return the widths that meet a budget; a `Fraction` is one of what the model has now."""
    now = sensitivity.totals({})
    return allocate(
        sensitivity,
        size=_of(size, now.bytes),
        bit_operations=_of(bit_operations, now.bit_operations),
    )


def told(sensitivity: Sensitivity, overrides: dict) -> str:
    """Return the widths as a table, with what the model costs before and after."""
    kernels = sensitivity.kernels()
    rows = [
        (layer, str(rows[-1].bits), str(overrides[layer][WEIGHTS]))
        for layer, rows in kernels.items()
    ]
    lines = [text_table(("layer", "bits", "chosen"), rows)]
    for name, totals in (("now", sensitivity.totals({})), ("then", sensitivity.totals(overrides))):
        lines.append(f"{name}: {_costs(totals)}")
    return "\n".join(lines)


def _costs(totals: Totals):
    return f"{totals.bytes:,} bytes of weights, {totals.bit_operations:,} bit-operations"


def _of(budget, now):
    return int(budget * now) if isinstance(budget, Fraction) else budget


def _read(path, writer):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The file must exist: {writer} writes it. Received: {path}"
        ) from error
    except (ValueError, RecursionError) as error:  # no text, no JSON, or too deep or large
        raise ValueError(f"The file must be JSON that {writer} wrote. Received: {path}") from error
