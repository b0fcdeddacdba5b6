"""Separation of layers with an activation into a linear layer and an `Activation`."""

import functools

import keras

from keras_alt.activations import activation_name
from keras_alt.graph import Graph, call_and_fill, replaced, rewrite, weights_from
from keras_alt.operators import has_kernel


def split_activation(model: keras.Model) -> keras.Model:
    """Turn `Conv2D(activation="relu")` into a linear layer and an `Activation`.

    The `Activation` is named `<layer>_<function>`.
    """
    graph = Graph(model)
    active = [call for call in graph.calls if _is_active(call.layer)]
    split = functools.cache(_split)

    def rule(call, new):
        kernel, activation = split(call.layer)
        fill = weights_from(call.layer)
        return activation(call_and_fill(kernel, fill, *new(call.args), **new(call.kwargs)))

    return rewrite(graph, rule, active)


def _split(layer):
    name = activation_name(layer) or "activation"
    return (
        replaced(layer, type(layer), activation=None),
        keras.layers.Activation(layer.activation, name=f"{layer.name}_{name}"),
    )


def _is_active(layer):
    return has_kernel(layer) and layer.activation is not keras.activations.linear
