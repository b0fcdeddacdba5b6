"""Writes sums and means over axes; means round half to even for any number of cells."""

from dataclasses import replace

import numpy as np

from keras_alt.engines.litert import volumes
from keras_alt.engines.litert.operator import Operator
from keras_alt.engines.litert.stored import zero_point
from keras_alt.integer import Step, Tensor, arithmetic

# Of up to 1024 cells, none needed more than 13. An even number has the reciprocal of its half.
COPIES = range(1, 64, 2)


def summed(writer, step: Step) -> Operator:
    """Return the pending SUM or MEAN of a step."""
    code = {"reduce_sum": "MEAN", "total": "SUM"}[step.operation]
    a, position = step.attributes, step.inputs[0]
    x, shape = writer.program.tensors[position].shape, writer.program.tensors[step.output].shape
    before, axes = volumes.reduced_shape(x, a["axes"])
    value = writer.at(position)
    if before != x:
        value = writer.reshaped(value, position, before)
        shape = (1, 1, shape[-1]) if a["keepdims"] else shape
    inputs = [value, writer.values(f"{step.layer}/axes", axes)]
    return Operator(code, inputs, shape, {"keepDims": a["keepdims"]})


def divided(sums: np.ndarray, cells: int, shift: int, zero: int, zero_of_mean: int) -> np.ndarray:
    """Return the codes of LiteRT's MEAN before they are clipped: measured, entry by entry.

    It adds up the codes that it stores, multiplies by a reciprocal in float32, and adds what the
    zero points make of a sum of zeros.

    Args:
        sums: of codes.
        cells: number of codes in each sum.
        shift: exponent of the mean's grid minus that of the codes.
        zero, zero_of_mean: stored bytes that stand for the codes 0.
    """
    factor = np.float32(2.0**-shift) / np.float32(cells)
    offset = np.float32(zero_of_mean) - np.float32(zero * cells) * factor
    stored = (sums + zero * cells).astype(np.float32)
    return np.rint(stored * factor + offset).astype(np.int64) - zero_of_mean


def copies(x: Tensor, sums: Tensor, mean: Tensor) -> int:
    """Return how many copies of each cell make LiteRT round the mean half to even.

    A mean of copies is the same mean, but the reciprocal of their number has another error. It is
    small enough if float32 rounds every tie to the tie itself. Where no number of copies suffices,
    the sums have more digits than float32 holds beside the zero point, and 1 is returned.

    Args:
        x: what is averaged.
        sums: its sums, not divided yet.
        mean: the result.
    """
    cells, shift = sums.divisor, mean.exponent - x.exponent
    ties = (np.arange(mean.low - 1, mean.high + 1) + 0.5) * cells * 2.0**shift
    critical = np.floor(ties)[:, None].astype(np.int64) + [-1, 0, 1]
    critical = np.clip(critical, sums.low, sums.high)
    bounds = mean.low, mean.high
    expected = arithmetic.requantize(critical, shift, "half_even", *bounds, divisor=cells)
    zeros = zero_point(x), zero_point(mean)
    for count in COPIES:
        codes = divided(critical * count, cells * count, shift, *zeros)
        if np.array_equal(np.clip(codes, *bounds), expected):
            return count
    return 1


def repeated(writer, operator: Operator, step: Step) -> Operator:
    """Return a pending MEAN that reads as many copies of its input as its quantizer needs."""
    program = writer.program
    source = next(s for s in program.steps if s.output == step.inputs[0])
    x, sums, mean = (program.tensors[p] for p in (*source.inputs, source.output, step.output))
    count = copies(x, sums, mean)
    if count == 1:
        return operator
    value, axes = operator.inputs
    shape, (axis, *_) = volumes.reduced_shape(x.shape, source.attributes["axes"])
    shape = (*shape[: axis - 1], shape[axis - 1] * count, *shape[axis:])
    copied = writer.add(x, f"{writer.name(step.output)}/copies", shape)
    writer.file.operator("CONCATENATION", [value] * count, [copied], axis=axis)
    return replace(operator, inputs=[copied, axes])
