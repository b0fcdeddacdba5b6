"""Flattening of concatenations of concatenations."""

import keras

from keras_alt.graph import Graph, rewrite


def collapse_concat(model: keras.Model) -> keras.Model:
    """Feed the inputs of a concat that only feeds another concat straight to the latter."""
    graph = Graph(model)

    def leaves(tensor, axis):
        call = graph.producer.get(tensor)
        if call is not None and is_concat(call, axis) and graph.sole_reader(tensor):
            return [leaf for operand in call.inputs for leaf in leaves(operand, axis)]
        return [tensor]

    def rule(call, new):
        if not isinstance(call.layer, keras.layers.Concatenate):
            return None
        axis = _axis(call)
        flat = [leaf for operand in call.inputs for leaf in leaves(operand, axis)]
        if len(flat) == len(call.inputs):
            return None
        return keras.layers.Concatenate(axis=axis, name=call.layer.name)(new(flat))

    def is_concat(call, axis):
        return isinstance(call.layer, keras.layers.Concatenate) and _axis(call) == axis

    return rewrite(graph, rule)


def _axis(call):
    return call.layer.axis % len(call.output.shape)
