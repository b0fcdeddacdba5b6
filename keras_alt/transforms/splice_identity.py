"""Removal of layers that do nothing."""

import keras

from keras_alt.graph import Graph, rewrite


def splice_identity(model: keras.Model) -> keras.Model:
    """Connect the readers of `Identity` and linear `Activation` layers to what those read."""

    graph = Graph(model)
    # An output keeps its layer: the model's outputs are called by their layers' names.
    kept = set(graph.outputs)
    idle = [c for c in graph.calls if _does_nothing(c.layer) and c.output not in kept]
    return rewrite(graph, lambda call, new: new(call.inputs[0]), idle)


def _does_nothing(layer):
    linear = isinstance(layer, keras.layers.Activation) and (
        layer.activation is keras.activations.linear
    )
    return type(layer) is keras.layers.Identity or linear
