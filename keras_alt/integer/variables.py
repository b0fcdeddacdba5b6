"""Tensors of a program that is being written: their operators append the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_alt.integer.operations import OPERATIONS, Pairs
from keras_alt.integer.program import (
    Constant,
    NotIntegerError,
    Program,
    Shape,
    Sizes,
    Step,
    Tensor,
)

if TYPE_CHECKING:
    from keras_alt.formats import FixedPoint

# The engine computes in 64 bits.
LOWEST, HIGHEST = -(2**63), 2**63 - 1
# float32 holds every integer up to here.
FLOAT32 = 2**24


@dataclass(frozen=True)
class Grid:
    """What a quantizer rounds to: `clip(round(x / 2**exponent), low, high)`.

    Attributes:
        format: number format; `low` and `high` may leave some of its codes out.
        exponent: log2 of the step.
        low, high: bounds of the codes.
        rounding: name of a rule in `keras_alt.integer.arithmetic.ROUNDINGS`.
    """

    format: FixedPoint
    exponent: int
    low: int
    high: int
    rounding: str


@dataclass(frozen=True)
class Variable:
    """An integer tensor as the operand of further operations.

    Each operator and method appends a step to the program and returns its result. Shape, exponent,
    bounds and divisor of the result follow from the operands, by the rule in
    `keras_alt.integer.operations`.

    Attributes:
        program: that is being written.
        position: of the tensor.
        layer: name of the layer that the next steps belong to. Their results are named after it.
    """

    program: Program
    position: int
    layer: str

    @property
    def tensor(self) -> Tensor:
        return self.program.tensors[self.position]

    @property
    def shape(self) -> Shape:
        """The shape without the batch."""
        return self.tensor.shape

    @property
    def exponent(self) -> int:
        return self.tensor.exponent

    def apply(
        self,
        operation: str,
        *others: Variable,
        name: str | None = None,
        format: FixedPoint | None = None,
        **attributes: Any,
    ) -> Variable:
        """Append the step of an operation on this tensor and others.

        Args:
            operation: name in `keras_alt.integer.operations.OPERATIONS`.
            others: the operands behind the first.
            name: of the result; by default the layer's.
            format: number format of the result, where the operation does not tell.
            attributes: of the step.

        Raises:
            NotIntegerError: the step's numbers may need more than 64 bits, or an operand is an
                average that is not divided yet.
        """
        operands = [variable.tensor for variable in (self, *others)]
        _require_divided(operation, operands)
        result = OPERATIONS[operation].result(*operands, **attributes)
        result = replace(result, name=name or self.layer, format=format or result.format)
        self._require_width(operation, result, attributes)
        inputs = tuple(variable.position for variable in (self, *others))
        output = self.program.add_tensor(result)
        self.program.steps.append(Step(operation, self.layer, inputs, output, attributes))
        return replace(self, position=output)

    def _require_width(self, operation: str, result: Tensor, attributes: dict[str, Any]):
        bounds = [result.low, result.high]
        if operation == "requantize":  # shifts first, then clips
            shift = max(-attributes["shift"], 0)
            bounds += [self.tensor.low << shift, self.tensor.high << shift]
        if min(bounds) < LOWEST or max(bounds) > HIGHEST:
            raise NotIntegerError(
                f"Layer '{self.layer}' must compute with 64 bits at most: its grids lie too far "
                "apart; calibrate on data like that of training. "
                f"Received: {operation} with numbers from {min(bounds)} to {max(bounds)}"
            )

    # Arithmetic

    def __add__(self, other: Variable | Constant) -> Variable:
        if isinstance(other, Variable):
            return add(self, other)
        finest = min(other.exponent, self.exponent)
        shifts = (self.exponent - finest, other.exponent - finest)
        name = f"{self.layer}/biased"
        return self.apply("add_constant", name=name, constant=other, shifts=shifts)

    def __sub__(self, other: Variable) -> Variable:
        return subtract(self, other)

    def __mul__(self, other: Variable | Constant) -> Variable:
        if isinstance(other, Variable):
            return self.apply("product", other, name=f"{self.layer}/product")
        return self.apply("multiply", name=f"{self.layer}/product", constant=other)

    def __matmul__(self, other: Variable | Constant) -> Variable:
        name = f"{self.layer}/sum"
        if isinstance(other, Variable):
            return self.apply("batch_matmul", other, name=name)
        return self.apply("matrix_product", name=name, kernel=other)

    def convolve(
        self, kernel: Constant, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int = 1
    ) -> Variable:
        return self.apply(
            "convolve",
            name=f"{self.layer}/sum",
            kernel=kernel,
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )

    def convolve_transposed(
        self, kernel: Constant, strides: Sizes, crop: Sizes, size: Sizes, dilation: Sizes
    ) -> Variable:
        return self.apply(
            "convolve_transposed",
            name=f"{self.layer}/sum",
            kernel=kernel,
            strides=strides,
            crop=crop,
            size=size,
            dilation=dilation,
        )

    # Grids

    def requantize(self, grid: Grid, name: str) -> Variable:
        """Move the tensor onto a grid; an average is divided by its cells."""
        return self._before_transpose(lambda x: x._requantized(grid, name), name)

    def _requantized(self, grid: Grid, name: str) -> Variable:
        format = grid.format
        if grid.rounding == "double":
            self._require_exact_mean(grid)
        return self.apply(
            "requantize",
            name=name,
            format=format,
            shift=grid.exponent - self.exponent,
            rounding=grid.rounding,
            low=grid.low,
            high=grid.high,
            offset=0 if format.signed else -(2 ** (format.bits - 1)),
            divisor=self.tensor.divisor,
        )

    def _require_exact_mean(self, grid: Grid):
        """Raise an error unless float32 tells how the rule `double` rounds each mean.

        The first rounding has no ties. Between a mean and the next tie, in units of the sums that
        it rounds to, is 1 / (2 * odd), where `odd` is the odd part of the number of cells. Three
        float32 operations err by 3 * 2**-24 of the mean.
        """
        cells = int(self.tensor.divisor)
        odd = cells // (cells & -cells)
        finer = max(grid.exponent - self.exponent + cells.bit_length() - 2, 0)
        codes = max(-grid.low, grid.high) + 1
        most = min(codes << finer, max(-self.tensor.low, self.tensor.high) // 2 + 1)
        if odd > 1 and 6 * odd * most > FLOAT32:
            raise NotIntegerError(
                f"The mean '{self.layer}' is rounded twice by the target's engine, which float32 "
                f"does not tell for so many cells: average over fewer. Received: {cells} cells"
            )

    def clip(self, low: float | None, high: float | None) -> Variable:
        """Clip at bounds given as values, which must lie on the grid; None is no bound."""
        codes = [None if b is None else b * 2.0**-self.exponent for b in (low, high)]
        if any(c is not None and c != int(c) for c in codes):
            raise NotIntegerError(
                f"The bounds of '{self.layer}' must lie on the grid of its input. "
                f"Received: bounds {low}, {high} and a step of {2.0**self.exponent}"
            )
        least, most = (None if c is None else int(c) for c in codes)
        return self._before_transpose(lambda x: x.apply("clip", low=least, high=most))

    def _before_transpose(
        self, compute: Callable[[Variable], Variable], name: str | None = None
    ) -> Variable:
        """Return what an elementwise function computes; engines transpose no sums, only codes.

        If the tensor is a transposed sum, the function is applied in front of the transpose.
        """
        steps = (s for s in reversed(self.program.steps) if s.output == self.position)
        step = next(steps, None)
        if step is None or step.operation != "transpose" or self.tensor.format is not None:
            return compute(self)
        source = replace(self, position=step.inputs[0])
        return compute(source).transpose(step.attributes["axes"], name=name)

    def lookup(self, table: Constant, first: int, name: str) -> Variable:
        """Map each code by a table, whose first entry is for the code `first`."""
        return self.apply("lookup", name=name, table=table, first=first)

    def softmax(self, table: Constant, fine: Constant, axis: int) -> Variable:
        """Return the probabilities of rows along an axis, which counts the batch."""
        return self.apply(
            "softmax",
            name=f"{self.layer}/probabilities",
            table=table,
            fine=fine,
            axis=axis,
            bits=-table.exponent,
            guard=table.exponent - fine.exponent,
        )

    # Windows and axes

    def window_sum(self, window: Sizes, strides: Sizes, padding: Pairs) -> Variable:
        """Return the sums of averages over windows."""
        return self.apply("window_sum", window=window, strides=strides, padding=padding)

    def window_maximum(self, window: Sizes, strides: Sizes, padding: Pairs) -> Variable:
        return self.apply("window_maximum", window=window, strides=strides, padding=padding)

    def reduce_sum(self, axes: Sizes, keepdims: bool) -> Variable:
        """Return the sums of averages over axes."""
        return self.apply("reduce_sum", axes=axes, keepdims=keepdims)

    def reduce_maximum(self, axes: Sizes, keepdims: bool) -> Variable:
        return self.apply("reduce_maximum", axes=axes, keepdims=keepdims)

    def reduce_minimum(self, axes: Sizes, keepdims: bool) -> Variable:
        return self.apply("reduce_minimum", axes=axes, keepdims=keepdims)

    def total(self, axes: Sizes, keepdims: bool) -> Variable:
        """Return the sums over axes, which are no averages."""
        return self.apply("total", axes=axes, keepdims=keepdims)

    # Moves

    def pad(self, padding: Pairs) -> Variable:
        return self.apply("pad", padding=padding)

    def crop(self, cropping: Pairs) -> Variable:
        return self.apply("crop", cropping=cropping)

    def reshape(self, shape: Shape, name: str | None = None) -> Variable:
        return self.apply("reshape", name=name, shape=shape)

    def transpose(self, axes: Sizes, name: str | None = None) -> Variable:
        return self.apply("transpose", name=name, axes=axes)

    def repeat(self, repeats: int, axis: int) -> Variable:
        return self.apply("repeat", repeats=repeats, axis=axis)

    def take(self, indices: Sequence[int], axis: int) -> Variable:
        return self.apply("take", indices=list(indices), axis=axis)


def _require_divided(operation: str, operands: list[Tensor]):
    """Raise an error for averages that are not divided yet, unless the operation divides them."""
    for tensor in operands:
        if operation not in ("requantize", "transpose") and np.any(tensor.divisor != 1):
            raise NotIntegerError(
                f"The average '{tensor.name}' expects a quantizer behind it. Received: {operation}"
            )


def add(*variables: Variable) -> Variable:
    return _merged("add", variables)


def subtract(first: Variable, second: Variable) -> Variable:
    return _merged("subtract", (first, second))


def maximum(*variables: Variable) -> Variable:
    return _merged("maximum", variables)


def minimum(*variables: Variable) -> Variable:
    return _merged("minimum", variables)


def concatenate(*variables: Variable, axis: int) -> Variable:
    return _merged("concatenate", variables, axis=axis)


def _merged(operation: str, variables: tuple[Variable, ...], **attributes: Any) -> Variable:
    """Bring variables to the finest of their exponents, and merge them."""
    finest = min(variable.exponent for variable in variables)
    shifts = tuple(variable.exponent - finest for variable in variables)
    first, *others = variables
    return first.apply(operation, *others, shifts=shifts, **attributes)
