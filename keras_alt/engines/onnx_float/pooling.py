"""Pools over windows; global pools are reductions."""

from keras_alt.engines.onnx_float.convolutions import (
    as_it_was,
    channels_first,
    pads,
    space,
    tuple_of,
)
from keras_alt.engines.onnx_float.writer import writes_float
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
