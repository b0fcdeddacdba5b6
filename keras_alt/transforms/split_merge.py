"""Separation of merges of three and more tensors into merges of two."""

import functools

import keras

from keras_alt.graph import Graph, replaced, rewrite
from keras_alt.replacements import Replacements, free_name, numbered

L = keras.layers
MERGES = (L.Add, L.Multiply, L.Maximum, L.Minimum)


def split_merge(model: keras.Model) -> keras.Model:
    """Turn `Add()([a, b, c])` into `Add()([Add()([a, b]), c])`, and other merges likewise.

    Engines merge two tensors at a time. The last merge keeps the name. Those in front of it are
    named `<name>_partial_1`, `<name>_partial_2` and so on.
    """
    graph = Graph(model)
    wide = [c for c in graph.calls if type(c.layer) in MERGES and len(c.inputs) > 2]
    lasts, taken = Replacements(graph, wide), {call.layer.name for call in graph.calls}

    # A layer is built for the shapes that it merges.
    @functools.cache
    def partial(layer, number, shapes):
        name = free_name(numbered(f"{layer.name}_partial"), taken)
        return replaced(layer, type(layer), name=name)

    def rule(call, new):
        layer, (x, *between, last) = call.layer, new(list(call.inputs))
        for number, operand in enumerate(between):
            x = partial(layer, number, (x.shape, operand.shape))([x, operand])
        make = lambda name: replaced(layer, type(layer), name=name)  # noqa: E731
        return lasts(layer, (x.shape, last.shape), make)([x, last])

    return rewrite(graph, rule, wide)
