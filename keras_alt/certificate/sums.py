"""Bounds of every sum of a program, and the limits of the numbers that hold it."""

from dataclasses import dataclass

import numpy as np

from keras_alt.engines.hls4ml.types import narrowest
from keras_alt.integer import Constant, Interval, Program, Step
from keras_alt.integer.interval_arithmetic import result
from keras_alt.integer.sum_widths import CHANNELS, INT32
from keras_alt.integer.variables import FLOAT32, HIGHEST, LOWEST
from keras_alt.layers.slope_product import LOW
from keras_alt.targets import get_target

# What engines add up in one number. They compute other sums by operators of their own.
ACCUMULATED = (*CHANNELS, "add_constant", "batch_matmul", "product") + (
    ("window_sum", "reduce_sum", "total")
)
SUMS = (*ACCUMULATED, "add", "subtract", "multiply", "softmax")
IN_INT32 = ("litert", "litert-reference", "tflm", "onnxruntime")
IN_INT64 = ("integer", "c")  # C uses 32 bits where bounds prove that they suffice
IN_FLOAT32 = ("training", "qonnx")


@dataclass(frozen=True)
class Limit:
    """What one kind of number holds, and what a sum may reach in it.

    Attributes:
        number: "float32", "float32 halves", "int32", "int64" or "ap_fixed".
        engines: that compute with it; "training" is the simulation in Keras.
        reached: the least and the largest number for any input.
        least, most: bounds of the integers that the number holds exactly.
        holds: whether it holds all that may be reached.
    """

    number: str
    engines: list[str]
    reached: list[int]
    least: int
    most: int
    holds: bool


@dataclass(frozen=True)
class Sum:
    """One sum of a program.

    Attributes:
        layer, operation, tensor: of its last step. The sums of a kernel include the bias.
        step: position of the step in the program.
        exponent: log2 of the unit of the bounds.
        low, high: bounds of the sum in each cell of its last axis; one number if all are equal.
        partial: bounds of the partial sums too, of any terms in any order.
        limits: a `Limit` for each kind of number.
    """

    layer: str
    operation: str
    tensor: str
    step: int
    exponent: int
    low: list[int]
    high: list[int]
    partial: list[int]
    limits: list[Limit]


def sums(program: Program, target: str, bounds: dict[int, Interval]) -> list[Sum]:
    """Return the sums of a program in the order of computation.

    Args:
        program: the program.
        target: name of its rules.
        bounds: `keras_alt.integer.intervals` of the program.
    """
    partials, units = {}, {}
    readers = _readers(program)
    rows = []
    for number, step in enumerate(program.steps):
        if step.operation not in SUMS:
            continue
        partials[step.output] = partial = _partial(program, step, bounds, partials)
        units[step.output] = unit = _unit(step, units)
        if [s.operation for s in readers.get(step.output, ())] == ["add_constant"]:
            continue  # the row of the bias has both
        whole = bounds[step.output]
        if step.operation == "softmax":
            whole = partial
        tensor = program.tensors[step.output]
        halves = _halves(program, step, bounds, partial)
        rows.append(
            Sum(
                step.layer,
                step.operation,
                tensor.name,
                number,
                tensor.exponent,
                *(_by_channel(whole)),
                list(partial.ends()),
                _limits(step, tensor, whole, partial, unit, halves, get_target(target).engines),
            )
        )
    return rows


def _readers(program):
    readers: dict[int, list[Step]] = {}
    for step in program.steps:
        for position in step.inputs:
            readers.setdefault(position, []).append(step)
    return readers


def _partial(program, step, bounds, partials) -> Interval:
    """Return the interval of partial sums: each term may be missing."""
    if step.operation == "softmax":
        return _softmax_sums(program, step)
    position = step.inputs[0]
    if step.operation != "add_constant":
        return result(program, step, [bounds[p].with_zero() for p in step.inputs])
    left, right = step.attributes["shifts"]
    before = partials.get(position, bounds[position].with_zero())
    bias = step.attributes["constant"].aligned << right
    low = (before.low << left) + np.minimum(bias, 0)
    return Interval(low, (before.high << left) + np.maximum(bias, 0))


def _softmax_sums(program, step) -> Interval:
    """Return the interval of the largest numbers of a softmax: its sum, and its numerators."""
    a, x = step.attributes, program.tensors[step.inputs[0]]
    most = int(a["fine"].codes.max()) * x.shape[a["axis"] - 1] + (1 << a["guard"]) // 2
    most = max(most, (int(a["table"].codes.max()) << a["bits"]) + (most >> a["guard"]) // 2)
    zero = np.zeros((1,) * len(x.shape), np.int64)
    return Interval(zero, zero + most)


def _halves(program, step, bounds, product):
    """Return bounds of a product that training computes from two halves; None if it does not.

    They bound the product with the lower half, in the unit of the product, and twice the product,
    in grains.
    """
    if step.output not in program.halved:
        return None
    x, low = bounds[step.inputs[0]].with_zero(), step.attributes["constant"].aligned & (LOW - 1)
    least = min((x.low * low).min(), (2 * (product.low // LOW)).min())
    return [int(least), int(max((x.high * low).max(), (-2 * (-product.high // LOW)).max()))]


def _unit(step, units):
    """Return log2 of the units of channels: sums are whole numbers of them."""
    if step.operation in CHANNELS:
        return _shifts(step.attributes["kernel"])
    if step.operation == "add_constant":
        left, right = step.attributes["shifts"]
        bias = right + _shifts(step.attributes["constant"])
        return np.minimum(left + units.get(step.inputs[0], 0), bias)
    return np.zeros((), np.int64)


def _shifts(constant: Constant):
    return np.zeros((), np.int64) if constant.shifts is None else constant.shifts.ravel()


def _by_channel(x: Interval) -> tuple[list[int], list[int]]:
    x = x.over(range(x.low.ndim - 1))
    return x.low.ravel().tolist(), x.high.ravel().tolist()


def _limits(step, tensor, whole, partial, unit, halves, engines) -> list[Limit]:
    """Return the limits of a sum. Engines hold a channel's sum in its own unit."""
    narrow = [int((partial.low >> unit).min()), int((partial.high >> unit).max())]
    rows = []
    if step.operation != "softmax":
        names = [name for name in IN_FLOAT32 if name in ("training", *engines)]
        rows.append(_limit("float32", names, narrow, -FLOAT32, FLOAT32))
        if halves is not None and not rows[0].holds:
            rows[0] = _limit("float32 halves", names, halves, -FLOAT32, FLOAT32)
    if step.operation in (*ACCUMULATED, "softmax"):
        names = [name for name in IN_INT32 if name in engines]
        if step.operation == "softmax":
            names = ["training", *names]
        if names:
            rows.append(_limit("int32", names, narrow, -INT32 - 1, INT32))
    names = [name for name in IN_INT64 if name in engines]
    rows.append(_limit("int64", names, list(partial.ends()), LOWEST, HIGHEST))
    if "hls4ml" in engines and step.operation != "softmax":
        bits, signed = narrowest(tensor)
        least = -(1 << (bits - 1)) if signed else 0
        most = (1 << (bits - signed)) - 1
        rows.append(_limit("ap_fixed", ["hls4ml"], list(whole.ends()), least, most))
    return rows


def _limit(number, engines, reached, least, most):
    holds = least <= reached[0] and reached[1] <= most
    return Limit(number, engines, reached, least, most, holds)
