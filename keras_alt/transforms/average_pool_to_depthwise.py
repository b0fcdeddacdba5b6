"""Replacement of average pools by depthwise convolutions, and of means by average pools."""

import math

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.layers.conv import AveragePoolConv2D
from keras_alt.operators import Grid, has_grid
from keras_alt.replacements import Replacements

L = keras.layers


def mean_to_average_pool(model: keras.Model) -> keras.Model:
    """Turn a mean over an image of known size into an average pool of that size."""
    graph = Graph(model)
    means = [call for call in graph.calls if _is_mean_over_space(call)]
    pools, flats = Replacements(graph, means), Replacements(graph, means)

    def rule(call, new):
        layer, shape = call.layer, call.inputs[0].shape
        size = shape[1:3]
        pool = pools(layer, size, lambda name: _pool(layer, size, name))
        pooled = pool(new(call.inputs[0]))
        if layer.keepdims:
            return pooled
        flat = flats(layer, size, lambda name: L.Reshape(shape[3:], name=f"{name}_flatten"))
        return flat(pooled)

    return rewrite(graph, rule, means)


def _is_mean_over_space(call):
    layer = call.layer
    if type(layer) is not L.GlobalAveragePooling2D or layer.data_format != "channels_last":
        return False
    size = call.inputs[0].shape[1:3]
    return None not in size and math.prod(size) > 1


def _pool(mean, size, name):
    return L.AveragePooling2D(
        size, strides=1, data_format="channels_last", dtype=mean.dtype_policy, name=name
    )


def average_pool_to_depthwise(model: keras.Model) -> keras.Model:
    """Turn each average pool into a depthwise convolution with the constant 1 / (height * width).

    A padded pool stays: at a border it divides by the number of valid cells, not by a constant.
    """
    graph = Graph(model)
    pools = [call for call in graph.calls if _divides_by_a_constant(call)]
    convolutions = Replacements(graph, pools)

    def rule(call, new):
        x = call.inputs[0]
        channels = x.shape[3]  # one kernel for each number of channels
        return convolutions(call.layer, channels, lambda name: _conv(call.layer, name))(new(x))

    return rewrite(graph, rule, pools)


def _divides_by_a_constant(call):
    layer = call.layer
    if not (has_grid(call, Grid.POOLED) and type(layer) is L.AveragePooling2D):
        return False
    return layer.data_format == "channels_last" and not _is_padded(layer, call.inputs[0])


def _conv(pool, name):
    return AveragePoolConv2D(
        pool.pool_size, strides=pool.strides, dtype=pool.dtype_policy, name=name
    )


def _is_padded(layer, x):
    if layer.padding == "valid":
        return False
    sizes = zip(x.shape[1:3], layer.pool_size, layer.strides, strict=True)
    return not all(
        size and window == stride and size % window == 0 for size, window, stride in sizes
    )
