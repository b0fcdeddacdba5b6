"""A network as a list of integer operations."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from keras_alt.formats import FixedPoint

Shape = tuple[int | None, ...]  # None is a size that is left open
Sizes = tuple[int, ...]


class NotIntegerError(ValueError):
    """A model, or a layer of it, that has no integer form."""


@dataclass(frozen=True)
class Tensor:
    """What the codes of an integer tensor mean.

    A code `c` is worth `c * 2**exponent / divisor`.

    Attributes:
        name: of the quantizer, or the layer, that it comes from.
        shape: without the batch.
        exponent: log2 of the grid step.
        low, high: bounds of the codes for any input.
        format: number format of a quantized tensor, None for sums.
        divisor: number of cells of an average that is not divided yet, 1 for other tensors; an
            array if the windows of a pool have different numbers of cells.
    """

    name: str
    shape: Shape
    exponent: int
    low: int
    high: int
    format: FixedPoint | None = None
    divisor: int | np.ndarray = 1


@dataclass(frozen=True)
class Constant:
    """A kernel, a bias or a slope: code `c` is worth `c * 2**(exponent + shift)`.

    Attributes:
        codes: int64 array.
        exponent: log2 of the grid step, of the finest one if channels have steps of their own.
        format: number format.
        shifts: how many bits coarser than the finest step each channel's is: an int64 array that
            broadcasts over the codes, or None if all have the same step.
    """

    codes: np.ndarray
    exponent: int
    format: FixedPoint
    shifts: np.ndarray | None = None

    @classmethod
    def of(cls, codes: np.ndarray, exponents: int | np.ndarray, format: FixedPoint) -> Constant:
        """Return a constant from the exponent of each code, in a shape that broadcasts."""
        if not np.ndim(exponents):
            return cls(codes, int(exponents), format)
        finest = int(np.min(exponents))
        return cls(codes, finest, format, np.asarray(exponents, np.int64) - finest)

    @property
    def aligned(self) -> np.ndarray:
        """The codes on the finest grid, which all channels share: `c * 2**shift`."""
        return self.codes if self.shifts is None else self.codes << self.shifts

    @property
    def exponents(self) -> int | np.ndarray:
        """log2 of the grid step of each code, in a shape that broadcasts over the codes."""
        return self.exponent if self.shifts is None else self.exponent + self.shifts


@dataclass(frozen=True)
class Step:
    """One integer operation.

    Attributes:
        operation: name in `keras_alt.integer.operations.OPERATIONS`.
        layer: name of the layer that it belongs to.
        inputs, output: positions in `Program.tensors`.
        attributes: further arguments of the operation; a `Constant` stands for its aligned codes.
    """

    operation: str
    layer: str
    inputs: tuple[int, ...]
    output: int
    attributes: dict[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """The attributes as the operation computes with them."""
        return {
            name: value.aligned if isinstance(value, Constant) else value
            for name, value in self.attributes.items()
        }


@dataclass
class Program:
    """A network in integers. It knows nothing of Keras; a `Reading` ties it to a Keras model.

    Attributes:
        name: of the network.
        inputs, outputs: positions of the input tensors and of the output tensors in `tensors`.
        tensors, steps: see `Tensor` and `Step`. Steps are in the order of computation.
        halved: positions of the products that training computes from two halves of a constant.
    """

    name: str
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    halved: set[int] = field(default_factory=set)

    def drop_unread_transposes(self, kept: Container[int] = ()):
        """Remove transposes that no step reads: what read them was applied in front of them.

        Args:
            kept: positions that something outside of the program reads.
        """
        read = {position for step in self.steps for position in step.inputs} | {*self.outputs}
        self.steps = [
            step
            for step in self.steps
            if step.operation != "transpose" or step.output in read or step.output in kept
        ]

    def add_tensor(self, tensor: Tensor) -> int:
        """Append a tensor; return its position."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1
