"""Expressions of the places of codes in tensors, which broadcast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """How a loop over rows, `at`, and over the codes of a row, `i`, passes a tensor.

    Attributes:
        shape: of the tensor.
        axis: along which a row lies, -1 for the last; None if all codes are one row.
    """

    shape: tuple[int, ...]
    axis: int | None = -1

    @property
    def length(self) -> int:
        """Codes of a row."""
        if self.axis is None:
            return math.prod(self.shape)
        return self.shape[self.axis] if self.shape else 1

    @property
    def count(self) -> int:
        return math.prod(self.shape) // max(self.length, 1)

    def place(self, shape: Sequence[int]) -> str:
        """Return the place of code `i` of row `at` in a tensor that broadcasts to this one."""
        shape = (1,) * (len(self.shape) - len(shape)) + tuple(shape)
        if self.axis is None or not shape:
            return "i"
        axis = self.axis % len(shape)
        steps = strides(shape)
        rows = [(n, step) for j, (n, step) in enumerate(self._axes(steps, shape)) if j != axis]
        row = linear(rows, "at")
        inner = {0: "", 1: "i"}.get(step := self._axes(steps, shape)[axis][1], f"{step} * i")
        return " + ".join(filter(None, [row, inner])) or "0"

    def _axes(self, steps, shape):
        """Return `(cells, step)` for each axis; a repeated axis has a step of 0."""
        return [
            (whole, step if n == whole else 0)
            for whole, n, step in zip(self.shape, shape, steps, strict=True)
        ]


def strides(shape: Sequence[int]) -> list[int]:
    """Return how far the cells of each axis lie apart; 0 for axes of one cell."""
    return [0 if n == 1 else math.prod(shape[j + 1 :]) for j, n in enumerate(shape)]


def linear(axes: Sequence[tuple[int, int]], counter: str) -> str:
    """Return the place of the cell that a counter over axes has come to, "" for 0.

    Args:
        axes: `(cells, step)` for each axis; the last runs fastest.
        counter: name of a variable.
    """
    terms, inner = [], 1
    blocks = merged(axes)
    for number, (n, step) in reversed(list(enumerate(blocks))):
        if step:
            index = counter if inner == 1 else f"{counter} / {inner}"
            if number:  # the outermost needs no remainder
                index = f"{index} % {n}"
            elif inner > 1 and step > 1:
                index = f"({index})"
            terms.append(_times(step, index))
        inner *= n
    return " + ".join(reversed(terms))


def merged(axes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return `(cells, step, ...)` of axes, with neighbours that pass on evenly as one axis."""
    blocks: list[tuple[int, ...]] = []
    for n, *steps in axes:
        if n == 1:
            continue
        if blocks and all(
            outer == n * step for outer, step in zip(blocks[-1][1:], steps, strict=True)
        ):
            blocks[-1] = (blocks[-1][0] * n, *steps)
        else:
            blocks.append((n, *steps))
    return blocks


def _times(step, index):
    if step == 1:
        return index
    return f"{step} * {index}" if index.isidentifier() or index[0] == "(" else f"{step} * ({index})"
