"""The integer types of C that hold tensors, constants and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.integer import Constant, Tensor


@dataclass(frozen=True)
class CType:
    """An exact-width type of `<stdint.h>`.

    Attributes:
        bits: width.
        signed: whether it has a sign.
    """

    bits: int
    signed: bool = True

    @property
    def name(self) -> str:
        """As C spells it."""
        return f"{'' if self.signed else 'u'}int{self.bits}_t"

    @property
    def short(self) -> str:
        """As the names of functions spell it."""
        return f"{'i' if self.signed else 'u'}{self.bits}"

    @property
    def bytes(self) -> int:
        return self.bits // 8

    @property
    def low(self) -> int:
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return 2 ** (self.bits - int(self.signed)) - 1

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bytes}")


I8, I16, I32, I64 = (CType(bits) for bits in (8, 16, 32, 64))
U8, U16 = (CType(bits, signed=False) for bits in (8, 16))
SUMS = (I32, I64)
TYPES = (I8, U8, I16, U16, *SUMS)


def holding(low: int, high: int, types: Sequence[CType] = TYPES) -> CType:
    """Return the narrowest type that holds two numbers and all between.

    Raises:
        ExportError: none does.
    """
    for ctype in types:
        if ctype.low <= low and high <= ctype.high:
            return ctype
    raise ExportError(f"C computes with 64 bits at most. Received: numbers from {low} to {high}")


def stored(tensor: Tensor) -> CType:
    """Return the type of a tensor, which does not depend on data if the tensor has a format."""
    low, high = tensor.low, tensor.high
    if tensor.format is not None:
        low, high = min(low, tensor.format.qmin), max(high, tensor.format.qmax)
    return holding(low, high)


def literal(number: int) -> str:
    """Return a number as C spells it."""
    return f"({number + 1} - 1)" if number == I64.low else str(number)


def scaled(text: str, shift: int) -> str:
    """Return an expression of a factor that is shifted left; C may not shift negative numbers."""
    return f"{text} * {2**shift}" if shift else text


def format_text(tensor: Tensor) -> str:
    """Return in words what the codes of a tensor can be, and what a step is worth."""
    return f"{tensor.format or f'{tensor.low}..{tensor.high}'}, step 2**{tensor.exponent}"


def constant_text(constant: Constant) -> str:
    """Return format, step and shape of a constant in words."""
    shifts = constant.shifts
    channels = "" if shifts is None else f" and up to {int(shifts.max())} bits coarser by channel"
    shape = shape_text(constant.codes.shape)
    return f"{constant.format}, step 2**{constant.exponent}{channels}, {shape}"


def shape_text(shape: Sequence[int | None]) -> str:
    return " x ".join(map(str, shape)) or "one code"
