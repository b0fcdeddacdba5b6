"""Separation of activation functions from the layers that carry them."""

import keras

from keras_alt.graph import Graph, repeat, replaced, rewrite
from keras_alt.roles import KERNELS, activation_name


def split_activation(model: keras.Model) -> keras.Model:
    """Turn `Conv2D(activation="relu")` into a linear layer and an `Activation`.

    The activation is called `<layer>_<function>`.
    """
    graph = Graph(model)
    active = [call for call in graph.calls if _is_active(call.layer)]
    linear = {}

    def rule(call, new):
        layer = call.layer
        first = layer not in linear
        if first:
            name = activation_name(layer) or "activation"
            linear[layer] = (
                replaced(layer, type(layer), activation=None),
                keras.layers.Activation(layer.activation, name=f"{layer.name}_{name}"),
            )
        kernel, activation = linear[layer]
        outputs = repeat(call, new, kernel)
        if first:
            kernel.set_weights(layer.get_weights())
        return activation(outputs)

    return rewrite(graph, rule, active)


def _is_active(layer):
    return type(layer) in KERNELS and layer.activation is not keras.activations.linear
