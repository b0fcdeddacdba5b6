"""Replacement of average pools over a whole image by means."""

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.operators import Grid, has_grid
from keras_alt.replacements import Replacements

L = keras.layers


def average_pool_to_mean(model: keras.Model) -> keras.Model:
    """Turn an average pool over a whole image into the mean over its positions.

    The pool operator of an engine keeps the scale of its input. This scale is coarse for an average
    of many positions. The mean operator has its own scale.
    """
    graph = Graph(model)
    pools = [call for call in graph.calls if _is_over_the_whole_image(call)]
    means = Replacements(graph, pools)

    def rule(call, new):
        return means(call.layer, None, lambda name: _mean(call.layer, name))(new(call.inputs[0]))

    return rewrite(graph, rule, pools)


def _is_over_the_whole_image(call):
    layer = call.layer
    if not (has_grid(call, Grid.POOLED) and type(layer) is L.AveragePooling2D):
        return False
    space = slice(1, 3) if layer.data_format == "channels_last" else slice(2, 4)
    before, after = call.inputs[0].shape[space], call.output.shape[space]
    return (before, after) == (layer.pool_size, (1, 1))


def _mean(pool, name):
    return L.GlobalAveragePooling2D(
        data_format=pool.data_format, keepdims=True, dtype=pool.dtype_policy, name=name
    )
