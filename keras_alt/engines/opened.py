"""The contract of files that are opened as they are, without the model that they were made from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_alt.integer.arithmetic import FLOAT_ROUNDINGS

POSITION = re.compile(r":(\d+)$")  # behind a name, as our exporters write it


@dataclass(frozen=True)
class Stored:
    """How a file stores a tensor: a stored number `s` is worth `(s - zero) * scale`."""

    scale: float
    zero: int = 0

    def codes(self, stored: np.ndarray) -> "Codes":
        return Codes(stored.astype(np.int64) - self.zero, self.scale)

    def quantized(self, values: np.ndarray, dtype, rounding: str) -> np.ndarray:
        """Return values as stored numbers of a type, which clips them; bytes as they are."""
        if values.dtype == np.uint8:
            return (values.astype(np.int16) + np.iinfo(dtype).min).astype(dtype)
        limits = np.iinfo(dtype)
        codes = FLOAT_ROUNDINGS[rounding](np.asarray(values, np.float64) / self.scale)
        return np.clip(codes + self.zero, limits.min, limits.max).astype(dtype)


@dataclass(frozen=True)
class Codes:
    """Codes of a tensor, channels last; a code is worth `code * scale`."""

    codes: np.ndarray
    scale: float


@dataclass(frozen=True)
class Computed:
    """What a side of a comparison computes of a batch.

    Attributes:
        outputs: values of the outputs.
        tensors: `{name: Codes}` of the tensors that are stored as integers.
    """

    outputs: list[np.ndarray]
    tensors: dict[str, Codes]


class Opened(Protocol):
    """One side of a comparison.

    Attributes:
        engine: name of what computes it.
        input_names: names of its inputs.
        ends: names of the tensors where integers end, one or more for each output.
        rounding: by which floats become codes in front of it; None if it takes any.
        types: dtypes of the inputs; None if it takes any.
    """

    engine: str
    input_names: list[str]
    ends: list[str]
    rounding: str | None
    types: list[str] | None

    def version(self) -> str:
        """Return the name and version of the package that computes."""

    def compute(self, arrays: list[np.ndarray], rounding: str) -> Computed:
        """Return what it computes of one batch.

        Args:
            arrays: inputs as the Keras model takes them, one for each of `input_names`.
            rounding: of `keras_alt.integer.arithmetic.FLOAT_ROUNDINGS`, for inputs of codes.
        """


def joined(parts: list[Computed]) -> Computed:
    """Return what samples give as one batch."""
    outputs = [np.concatenate(o) for o in zip(*(p.outputs for p in parts), strict=True)]
    tensors = {
        name: Codes(np.concatenate([p.tensors[name].codes for p in parts]), first.scale)
        for name, first in parts[0].tensors.items()
    }
    return Computed(outputs, tensors)


def ends_of(
    outputs: Iterable[str], producers: Mapping[str, list[str]], held: Iterable[str]
) -> list[str]:
    """Return the tensors of `held` that outputs follow from, without others in between.

    Args:
        outputs: names of tensors.
        producers: `{name of a tensor: names of what it is computed from}`.
        held: names of tensors.
    """
    held, found, seen, waiting = set(held), {}, set(), list(outputs)
    while waiting:
        name = waiting.pop(0)
        if name in held:
            found[name] = None
        elif name not in seen:
            waiting = [*producers.get(name, ()), *waiting]
        seen.add(name)
    return list(found)


def of_program(names: Iterable[str]) -> list[str]:
    """Return the names that our exporters give to tensors of the integer program, in its order.

    A file that other tools wrote has none; then all names are returned as they come.
    """
    names = list(names)
    return sorted(filter(POSITION.search, names), key=_position) or names


def _position(name):
    return int(POSITION.search(name).group(1))
