"""Replacement of registered layers by the Keras layers that compute the same."""

import inspect

import keras

from keras_alt.graph import Call, Graph, call_and_fill, rewrite, weights_from
from keras_alt.replacements import Replacements

# For each registered type: the Keras type with its arguments, its weights and its results.
TWINS: dict[type, type] = {}


def as_keras(model: keras.Model) -> keras.Model:
    """Turn each layer of a type in `TWINS` into the Keras layer that it equals at inference."""
    graph = Graph(model)
    registered = [call for call in graph.calls if type(call.layer) in TWINS]
    replacements = Replacements(graph, registered)

    def rule(call: Call, new):
        twin = replacements(call.layer, None, lambda name: _twin(call.layer, name))
        fill = weights_from(call.layer)
        return call_and_fill(twin, fill, *new(call.args), **new(call.kwargs))

    return rewrite(graph, rule, registered)


def _twin(layer, name):
    """Return the Keras layer with those arguments of `layer` that it takes."""
    cls, config = TWINS[type(layer)], layer.get_config()
    required = inspect.signature(cls).parameters
    known = cls.from_config({k: v for k, v in config.items() if k in required}).get_config()
    return cls.from_config({**{k: config[k] for k in known if k in config}, "name": name})
