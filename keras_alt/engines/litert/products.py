"""Matrix products as LiteRT operators."""

import math

from keras_alt.engines.litert.operator import Operator, channel_shifts
from keras_alt.engines.litert.operators import handles


@handles("matrix_product")
def _matrix_product(writer, step):
    y = writer.program.tensors[step.output]
    kernel = step.attributes["kernel"]
    shifts = channel_shifts(kernel, y.shape[-1])
    if "FULLY_CONNECTED" not in writer.rules.roundings:
        writer.pending[step.output] = _at_each_cell(writer, step, shifts)
        return
    options = {"keepNumDims": len(y.shape) > 1}
    inputs = [writer.at(step.inputs[0]), writer.kernel(step, kernel.codes.T, shifts)]
    writer.pending[step.output] = Operator(
        "FULLY_CONNECTED", inputs, y.shape, options, layer=step.layer, shifts=shifts
    )


def _at_each_cell(writer, step, shifts):
    """Return a matrix product as a convolution by a window of one cell."""
    x, y = (writer.program.tensors[p].shape for p in (step.inputs[0], step.output))
    before, after = (_image_of_cells(shape) for shape in (x, y))
    value = writer.at(step.inputs[0])
    if before != x:
        value = writer.reshaped(value, step.inputs[0], before)
    codes = step.attributes["kernel"].codes.T[:, None, None]
    ones = ("strideH", "strideW", "dilationHFactor", "dilationWFactor")
    options = {"padding": writer.padding(same=False), **dict.fromkeys(ones, 1)}
    inputs = [value, writer.kernel(step, codes, shifts)]
    return Operator("CONV_2D", inputs, after, options, layer=step.layer, shifts=shifts)


def _image_of_cells(shape):
    """Return the shape of an image with the cells of a tensor, of which one size may be open."""
    *cells, channels = shape
    rows = None if None in cells else math.prod(cells)
    return (*cells, channels) if len(cells) == 2 else (rows, 1, channels)


@handles("batch_matmul")
def _batch_matmul(writer, step):
    inputs, shape = [writer.at(p) for p in step.inputs], writer.program.tensors[step.output].shape
    writer.pending[step.output] = Operator("BATCH_MATMUL", inputs, shape)
