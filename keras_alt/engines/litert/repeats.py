"""Repeated cells as LiteRT operators."""

import numpy as np

from keras_alt.engines.litert.operator import Operator
from keras_alt.engines.litert.operators import handles


@handles("repeat")
def _repeat(writer, step):
    """Resize lines and images. Other tensors, and channels, are gathered."""
    shape, axis = writer.program.tensors[step.output].shape, step.attributes["axis"]
    before = writer.program.tensors[step.inputs[0]].shape
    if len(shape) not in (2, 3) or axis == len(shape):
        indices = np.arange(before[axis - 1]).repeat(step.attributes["repeats"])
        writer.move(step, "GATHER", indices, axis=axis)
        return
    size = shape if len(shape) == 3 else (shape[0], 1, shape[-1])  # a line is an image of width 1
    value = writer.at(step.inputs[0])
    if len(shape) == 2:
        value = writer.reshaped(value, step.inputs[0], (before[0], 1, before[-1]))
    if None in size:
        cells = _times(writer, step, value)
    else:
        cells = writer.values(f"{step.layer}/size{step.output}", size[:2])
    writer.finish(Operator("RESIZE_NEAREST_NEIGHBOR", [value, cells], size), step.output)


def _times(writer, step, value):
    """Compute the height and the width of a repeated image when the file runs."""
    name, file = f"{step.layer}/size{step.output}", writer.file
    factors = [1, 1]
    factors[step.attributes["axis"] - 1] = step.attributes["repeats"]
    shape = file.list_of("int32", f"{name}/shape", 4)
    file.operator("SHAPE", [value], [shape], outType=file.schema.TensorType.INT32)
    before, after = (file.list_of("int32", f"{name}/{end}", 2) for end in ("before", "after"))
    cut = [writer.values(f"{name}/{end}", value) for end, value in (("begin", [1]), ("count", [2]))]
    file.operator("SLICE", [shape, *cut], [before])
    file.operator("MUL", [before, writer.values(f"{name}/factors", factors)], [after])
    return after
