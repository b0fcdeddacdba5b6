"""Removal of layers that do nothing."""

import keras

from keras_alt.graph import Graph, rewrite


def splice_identity(model: keras.Model) -> keras.Model:
    """Remove `Identity` and linear `Activation` layers from the graph.

    A layer that computes an output of the model stays.
    """

    graph = Graph(model)
    # Keras names the outputs of a model after their layers.
    kept = set(graph.outputs)
    idle = [c for c in graph.calls if _does_nothing(c.layer) and c.output not in kept]
    return rewrite(graph, lambda call, new: new(call.inputs[0]), idle)


def _does_nothing(layer):
    linear = isinstance(layer, keras.layers.Activation) and (
        layer.activation is keras.activations.linear
    )
    return type(layer) is keras.layers.Identity or linear
