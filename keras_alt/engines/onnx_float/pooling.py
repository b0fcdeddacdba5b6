"""Pools over windows; global pools are reductions."""

import numpy as np
from keras import ops

from keras_alt.engines.onnx_float.convolutions import (
    as_it_was,
    channels_first,
    pads,
    space,
    tuple_of,
)
from keras_alt.engines.onnx_float.writer import composes, writes_float
from keras_alt.operators import kind_of


@writes_float("MaxPool", "AveragePool")
def _pool(writer, call, inputs):
    """Leave padded cells out of averages, as Keras does."""
    layer, axes = call.layer, len(inputs.shape) - 2
    window = tuple_of(layer.pool_size, axes)
    strides = window if layer.strides is None else tuple_of(layer.strides, axes)
    sizes = space(inputs, layer.data_format)
    padding = pads(layer.padding, sizes, window, strides, [1] * axes)
    x = channels_first(writer, inputs, layer.data_format)
    x = writer.add(kind_of(layer), x, kernel_shape=window, strides=strides, **padding)
    return as_it_was(writer, x, inputs, layer.data_format)


@composes("AdaptiveAveragePool")
def _adaptive_average(operator, x):
    """Weigh the cells of each window equally, one axis after the other."""
    for axis, size in _adapted(operator, x):
        weights = np.zeros([size, x.shape[axis]], "float32")
        for i, (start, end) in enumerate(_windows(x.shape[axis], size)):
            weights[i, start:end] = 1 / (end - start)
        x = ops.moveaxis(ops.tensordot(x, weights, axes=[[axis], [1]]), -1, axis)
    return x


@composes("AdaptiveMaxPool")
def _adaptive_max(operator, x):
    for axis, size in _adapted(operator, x):
        before = (slice(None),) * axis
        windows = [x[(*before, slice(a, b))] for a, b in _windows(x.shape[axis], size)]
        x = ops.concatenate([ops.max(w, axis=axis, keepdims=True) for w in windows], axis=axis)
    return x


def _adapted(operator, x):
    """Return the spatial axes with the sizes that they get."""
    count, size = len(x.shape) - 2, operator.output_size
    first = 2 if operator.data_format == "channels_first" else 1
    return list(zip(range(first, first + count), tuple_of(size, count), strict=True))


def _windows(before, after):
    """Return where the windows of an axis begin and end; they overlap by a cell at most."""
    return [(i * before // after, -(-(i + 1) * before // after)) for i in range(after)]
