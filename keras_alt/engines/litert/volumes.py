"""Writes the operations on volumes: LiteRT's integer operators know images only.

A volume (depth, height, width, channels) is an image (depth, height) whose channels are all values
of a row. A convolution along the row then is part of the matrix that mixes channels.
"""

import math

import numpy as np

from keras_alt.engines.litert.operator import Operator, channel_shifts


def convolve(writer, step):
    """Write a convolution as one over depth and height, with the same products and sums."""
    a, position = step.attributes, step.inputs[0]
    x, y = writer.program.tensors[position].shape, writer.program.tensors[step.output].shape
    padding = (*a["padding"][:2], (0, 0), (0, 0))
    shape = tuple(n + sum(pair) for n, pair in zip(x, padding, strict=True))
    value = writer.padded(position, padding if np.any(padding) else (), shape)
    value = writer.reshaped(value, position, _image(shape))
    codes = _over_rows(_ungrouped(a["kernel"].codes, a["groups"]), x[2], y[2], step)
    options = {
        "padding": writer.padding(same=False),
        "strideH": a["strides"][0],
        "strideW": a["strides"][1],
        "dilationHFactor": a["dilation"][0],
        "dilationWFactor": a["dilation"][1],
    }
    shifts = channel_shifts(a["kernel"], math.prod(y[-2:]))
    inputs = [value, writer.kernel(step, codes.transpose(3, 0, 1, 2), shifts)]
    operator = Operator("CONV_2D", inputs, _image(y), options, layer=step.layer, shifts=shifts)
    writer.pending[step.output] = operator


def _image(shape):
    return (*shape[:-2], math.prod(shape[-2:]))


def _ungrouped(kernel, groups):
    """Return the kernel of one group, with zeros between channels of different groups."""
    *window, channels, filters = kernel.shape
    whole = np.zeros((*window, channels * groups, filters), np.int64)
    for group in range(groups):
        rows = slice(group * channels, (group + 1) * channels)
        columns = slice(group * filters // groups, (group + 1) * filters // groups)
        whole[..., rows, columns] = kernel[..., columns]
    return whole


def _over_rows(kernel, before, after, step):
    """Return the kernel (depth, height, values of a row before, values of a row after)."""
    a = step.attributes
    stride, dilation, (outside, _) = (a[key][2] for key in ("strides", "dilation", "padding"))
    *window, cells, channels, filters = kernel.shape
    rows = np.zeros((*window, before, channels, after, filters), np.int64)
    for position in range(after):
        for cell in range(cells):
            source = position * stride + cell * dilation - outside
            if 0 <= source < before:
                rows[:, :, source, :, position] = kernel[:, :, cell]
    return rows.reshape(*window, before * channels, after * filters)


def maximum_pool(writer, step):
    """Write a pool as one over depth and height and one along the rows."""
    a, position = step.attributes, step.inputs[0]
    x, y = writer.program.tensors[position].shape, writer.program.tensors[step.output].shape
    first = _pooled(writer, step, writer.at(position), _image(x), slice(0, 2))
    lines = (y[0] * y[1], x[2], x[3])
    value = writer.reshaped(first, position, lines)
    options = {
        "padding": writer.padding(same=bool(np.any(a["padding"][2]))),
        "filterHeight": 1,
        "filterWidth": a["window"][2],
        "strideH": 1,
        "strideW": a["strides"][2],
    }
    size = (y[0] * y[1], *y[2:])
    writer.finish(Operator("MAX_POOL_2D", [value], size, options), step.output)


def _pooled(writer, step, value, shape, axes):
    """Append a pool over depth and height of the volume's image; return its index."""
    a, position = step.attributes, step.inputs[0]
    y, tensor = writer.program.tensors[step.output].shape, writer.program.tensors[position]
    window, strides = a["window"][axes], a["strides"][axes]
    image = writer.reshaped(value, position, shape)
    name = f"{writer.name(step.output)}/depth"
    result = writer.add(tensor, name, (*y[:2], shape[-1]))
    writer.file.operator(
        "MAX_POOL_2D",
        [image],
        [result],
        padding=writer.padding(same=bool(np.any(a["padding"][axes]))),
        filterHeight=window[0],
        filterWidth=window[1],
        strideH=strides[0],
        strideW=strides[1],
    )
    return result


def reduced_shape(shape, axes):
    """Return the shape and the axes of a mean over a volume as those of a mean over an image."""
    if tuple(axes) != (1, 2, 3) or len(shape) != 4:
        return shape, axes
    return (shape[0] * shape[1], *shape[2:]), (1, 2)
