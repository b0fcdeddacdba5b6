"""Average pools as depthwise convolutions, and means as average pools."""

import math

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.layers.conv import AveragePoolConv2D
from keras_alt.roles import is_average_pool

L = keras.layers


def mean_to_average_pool(model: keras.Model) -> keras.Model:
    """Turn the mean over an image of known size into an average pool over all of it."""

    def rule(call, new):
        layer, x = call.layer, call.inputs[0] if call.inputs else None
        if type(layer) is not L.GlobalAveragePooling2D or layer.data_format != "channels_last":
            return None
        size, channels = x.shape[1:3], x.shape[3]
        if None in size or math.prod(size) == 1:
            return None
        pooled = L.AveragePooling2D(
            size, strides=1, data_format="channels_last", dtype=layer.dtype_policy, name=layer.name
        )(new(x))
        if layer.keepdims:
            return pooled
        return L.Reshape((channels,), name=f"{layer.name}_flatten")(pooled)

    return rewrite(Graph(model), rule)


def average_pool_to_depthwise(model: keras.Model) -> keras.Model:
    """Turn each average pool into a depthwise convolution with the constant 1 / (height * width).

    Pools that divide by the number of valid cells at a border have no constant, and stay.
    """

    def rule(call, new):
        layer = call.layer
        if not (is_average_pool(call) and type(layer) is L.AveragePooling2D):
            return None
        x = call.inputs[0]
        if layer.data_format != "channels_last" or _is_padded(layer, x):
            return None
        return AveragePoolConv2D(
            layer.pool_size,
            strides=layer.strides,
            dtype=layer.dtype_policy,
            name=layer.name,
        )(new(x))

    return rewrite(Graph(model), rule)


def _is_padded(layer, x):
    if layer.padding == "valid":
        return False
    sizes = zip(x.shape[1:3], layer.pool_size, layer.strides, strict=True)
    return not all(
        size and window == stride and size % window == 0 for size, window, stride in sizes
    )
