"""Operations whose codes each follow from the codes at the same place, as C."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_alt.engines.c.layer import Layer
from keras_alt.engines.c.roundings import rounded
from keras_alt.engines.c.types import literal
from keras_alt.engines.fitting import ExportError
from keras_alt.formats import FixedPoint
from keras_alt.handlers import Handlers
from keras_alt.integer import Constant, Program, Step

MOST_SHIFT = 30  # bits of a shift for which 32 bits hold twice the denominator
MOST_WIDE_SHIFT = 61  # the same for 64 bits
ELEMENTS = Handlers()


def handles(*operations: str) -> Callable:
    """Return a decorator of a function `(layer, step)` that writes an elementwise operation.

    `layer.code(position)` is the code of an operand, `layer.let(step, expression)` sets that of the
    result. See `keras_alt.engines.c.layer.Layer`.
    """
    return ELEMENTS.handles(*operations)


def numbers_within(program: Program, step: Step) -> list[int]:
    """Return bounds of the numbers that an elementwise step computes with."""
    result = program.tensors[step.output]
    operands = [program.tensors[p] for p in step.inputs]
    numbers = [result.low, result.high]
    shifts = step.attributes.get("shifts", (0,) * len(operands))
    tensors = list(zip(operands, shifts, strict=False))
    for tensor, shift in tensors:
        numbers += [tensor.low << shift, tensor.high << shift]
    if step.operation == "add":  # partial sums too
        most = sum(max(-t.low, t.high) << shift for t, shift in tensors)
        numbers += [-most, most]
    if step.operation == "multiply":
        slopes = step.attributes["constant"].aligned
        numbers += [int(slopes.min()), int(slopes.max())]
    if step.operation == "requantize":
        (tensor,), left = operands, max(-step.attributes["shift"], 0)
        denominator = int(np.max(step.attributes["divisor"])) << max(step.attributes["shift"], 0)
        if step.attributes["rounding"] == "double":
            left = max(left, -_first_shift(step.attributes["divisor"]))
        numbers += [tensor.low << left, tensor.high << left, 2 * denominator - 1]
    return numbers


def _first_shift(divisor):
    """Return the shift of the first rounding of the rule `double`."""
    return 2 - int(divisor).bit_length()


@handles("requantize")
def _requantize(layer: Layer, step: Step):
    rules, x = step.attributes, layer.program.tensors[step.inputs[0]]
    shift, divisor, c = rules["shift"], rules["divisor"], layer.code(step.inputs[0])
    left, right = max(-shift, 0), max(shift, 0)
    if right > MOST_WIDE_SHIFT:
        raise ExportError(f"C shifts by {MOST_WIDE_SHIFT} bits at most. Received: shift={shift}")
    low, high, cells = x.low << left, x.high << left, int(np.min(divisor)) << right
    if rules["rounding"] == "double":
        c = _rounded_twice(layer, c, shift, int(divisor))
    elif isinstance(divisor, np.ndarray) and divisor.size > 1:
        cells = int(divisor.min())
        format = FixedPoint(32, signed=False)
        by = layer.number(step, "cells", Constant(divisor[0] << right, 0, format))
        c = _shifted_left(c, left)
        c = rounded(layer.library, layer.sum, rules["rounding"], c, by, rules["offset"])
    else:
        c = _rounded(layer, c, shift, rules["rounding"], int(np.max(divisor)), rules["offset"])
    if low // cells < rules["low"] or -(-high // cells) > rules["high"]:
        c = _clipped(layer, c, rules["low"], rules["high"])
    layer.let(step, c)


def _rounded_twice(layer, c, shift, divisor):
    """Return the code by the rule `double`, see `keras_alt.integer.arithmetic`."""
    first = min(_first_shift(divisor), shift)
    c = _rounded(layer, c, first, "half_up", divisor)
    return _rounded(layer, c, shift - first, "half_away") if shift > first else c


def _rounded(layer, c, shift, rounding, divisor=1, offset=0):
    c, denominator = _shifted_left(c, max(-shift, 0)), divisor << max(shift, 0)
    if denominator == 1:
        return c
    return rounded(layer.library, layer.sum, rounding, c, denominator, offset)


def _shifted_left(c, bits):
    return f"{c} * {2**bits}" if bits else c


@handles("clip")
def _clip(layer: Layer, step: Step):
    x = layer.program.tensors[step.inputs[0]]
    low, high = step.attributes["low"], step.attributes["high"]
    low, high = x.low if low is None else low, x.high if high is None else high
    layer.let(step, _clipped(layer, layer.code(step.inputs[0]), low, high))


def _clipped(layer, c, low, high):
    name = layer.library.add("clip", layer.sum, t=layer.sum.name)
    return f"{name}({c}, {literal(low)}, {literal(high)})"


@handles("add_constant")
def _add_constant(layer: Layer, step: Step):
    (first, second), constant = step.attributes["shifts"], step.attributes["constant"]
    bias = layer.number(step, "bias", constant, second)
    layer.let(step, f"{layer.code(step.inputs[0], first)} + {bias}")


@handles("multiply")
def _multiply(layer: Layer, step: Step):
    slope = layer.number(step, "slope", step.attributes["constant"])
    layer.let(step, f"{layer.code(step.inputs[0])} * {slope}")


@handles("lookup")
def _lookup(layer: Layer, step: Step):
    table, first = step.attributes["table"], step.attributes["first"]
    comment = f"{table.format}, step 2**{table.exponent}; for the codes from {first} on"
    array, _ = layer.constants.add(f"{step.layer}_table", table.codes, comment)
    c = layer.code(step.inputs[0])
    index = f"{c} - {first}" if first > 0 else f"{c} + {-first}" if first else c
    layer.let(step, f"{array}[{index}]")


@handles("add")
def _add(layer: Layer, step: Step):
    layer.let(step, " + ".join(_shifted(layer, step)))


@handles("subtract")
def _subtract(layer: Layer, step: Step):
    layer.let(step, " - ".join(_shifted(layer, step)))


@handles("product")
def _product(layer: Layer, step: Step):
    layer.let(step, " * ".join(layer.code(p) for p in step.inputs))


@handles("maximum", "minimum")
def _extremum(layer: Layer, step: Step):
    template = {"maximum": "larger", "minimum": "smaller"}[step.operation]
    name = layer.library.add(template, layer.sum, t=layer.sum.name)
    first, *others = _shifted(layer, step)
    for other in others:
        first = f"{name}({first}, {other})"
    layer.let(step, first)


def _shifted(layer, step):
    pairs = zip(step.inputs, step.attributes["shifts"], strict=True)
    return [layer.code(position, shift) for position, shift in pairs]
