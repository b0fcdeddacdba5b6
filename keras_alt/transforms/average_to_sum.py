"""Replacement of averages of tensors by a sum and a factor."""

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.replacements import Replacements

L = keras.layers


def average_to_sum(model: keras.Model) -> keras.Model:
    """Turn each `Average` into an `Add` and a `Rescaling`.

    The `Add` is named `<name>_sum`, with a number if that name is taken, the `Rescaling` `<name>`.
    """
    graph = Graph(model)
    averages = [call for call in graph.calls if type(call.layer) is L.Average]
    replacements = Replacements(graph, averages)

    def rule(call, new):
        layer, count = call.layer, len(call.inputs)
        if count < 2:
            return None
        factor = replacements(layer, count, lambda name: _factor(layer, count, name))
        total = replacements(layer, "sum", lambda name: _sum(layer, name), suffix="sum")
        return factor(total([new(tensor) for tensor in call.inputs]))

    return rewrite(graph, rule, averages)


def _sum(layer, name):
    return L.Add(dtype=layer.dtype_policy, name=name)


def _factor(layer, count, name):
    return L.Rescaling(1.0 / count, dtype=layer.dtype_policy, name=name)
