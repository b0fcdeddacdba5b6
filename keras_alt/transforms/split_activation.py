"""Separation of layers with an activation into a linear layer and an `Activation`."""

import functools

import keras

from keras_alt.activations import activation_name
from keras_alt.graph import Graph, call_and_fill, replaced, rewrite, weights_from
from keras_alt.operators import has_kernel
from keras_alt.replacements import Replacements


def split_activation(model: keras.Model) -> keras.Model:
    """Turn `Conv2D(activation="relu")` into a linear layer and an `Activation`.

    The `Activation` is named `<layer>_<function>`, with a number if that name is taken.
    """
    graph = Graph(model)
    active = [call for call in graph.calls if _is_active(call.layer)]
    replacements = Replacements(graph, active)

    def rule(call, new):
        layer = call.layer
        kernel = replacements(layer, "kernel", functools.partial(_kernel, layer))
        name = activation_name(layer) or "activation"
        make = functools.partial(_activation, layer)
        activation = replacements(layer, "activation", make, suffix=name)
        fill = weights_from(layer)
        return activation(call_and_fill(kernel, fill, *new(call.args), **new(call.kwargs)))

    return rewrite(graph, rule, active)


def _kernel(layer, name):
    return replaced(layer, type(layer), activation=None, activity_regularizer=None, name=name)


def _activation(layer, name):
    return keras.layers.Activation(
        layer.activation,
        activity_regularizer=layer.activity_regularizer,
        trainable=layer.trainable,
        name=name,
    )


def _is_active(layer):
    return has_kernel(layer) and layer.activation is not keras.activations.linear
