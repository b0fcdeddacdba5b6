"""Average pools over a whole image as means."""

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.roles import is_average_pool

L = keras.layers


def average_pool_to_mean(model: keras.Model) -> keras.Model:
    """Turn an average pool over all of an image into the mean over its positions.

    Engines with a pool operator keep the input's scale, which is coarse for an average of many
    positions; their mean operator has a scale of its own.
    """

    def rule(call, new):
        layer = call.layer
        if not (is_average_pool(call) and type(layer) is L.AveragePooling2D):
            return None
        x = call.inputs[0]
        space = slice(1, 3) if layer.data_format == "channels_last" else slice(2, 4)
        if (x.shape[space], call.output.shape[space]) != (layer.pool_size, (1, 1)):
            return None
        return L.GlobalAveragePooling2D(
            data_format=layer.data_format, keepdims=True, dtype=layer.dtype_policy, name=layer.name
        )(new(x))

    return rewrite(Graph(model), rule)
