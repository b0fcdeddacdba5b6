"""Merging of nested concatenations into one."""

import keras

from keras_alt.graph import Graph, rewrite
from keras_alt.replacements import Replacements


def collapse_concat(model: keras.Model) -> keras.Model:
    """Merge a concat into the concat that reads it, if nothing else reads it.

    The two must have the same axis.
    """
    graph = Graph(model)

    def leaves(tensor, axis):
        call = graph.producer.get(tensor)
        if call is not None and is_concat(call, axis) and graph.sole_reader(tensor):
            return [leaf for operand in call.inputs for leaf in leaves(operand, axis)]
        return [tensor]

    def is_concat(call, axis):
        return isinstance(call.layer, keras.layers.Concatenate) and _axis(call) == axis

    flat = {}
    for call in graph.calls:
        if isinstance(call.layer, keras.layers.Concatenate):
            tensors = [t for operand in call.inputs for t in leaves(operand, _axis(call))]
            if len(tensors) > len(call.inputs):
                flat[call] = tensors
    concats = Replacements(graph, flat)

    def rule(call, new):
        tensors, axis = flat[call], _axis(call)
        shapes = tuple(tensor.shape for tensor in tensors)
        make = lambda name: keras.layers.Concatenate(axis=axis, name=name)  # noqa: E731
        return concats(call.layer, shapes, make)(new(tensors))

    return rewrite(graph, rule, flat)


def _axis(call):
    return call.layer.axis % len(call.output.shape)
