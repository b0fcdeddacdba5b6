"""Removal of layers that do nothing."""

import keras

from keras_alt.graph import Graph, rewrite


def splice_identity(model: keras.Model) -> keras.Model:
    """Connect the readers of `Identity` and linear `Activation` layers to what those read."""

    def does_nothing(layer):
        linear = isinstance(layer, keras.layers.Activation) and (
            layer.activation is keras.activations.linear
        )
        return type(layer) is keras.layers.Identity or linear

    graph = Graph(model)

    def rule(call, new):
        # An output keeps its layer: the model's outputs are called by their layers' names.
        if does_nothing(call.layer) and call.output not in set(graph.outputs):
            return new(call.inputs[0])
        return None

    return rewrite(graph, rule)
