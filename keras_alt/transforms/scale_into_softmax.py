"""Merging of a factor into the softmax behind it."""

import keras
import numpy as np

from keras_alt.graph import Graph, rewrite
from keras_alt.layers import ScaledSoftmax
from keras_alt.layers.softmax import softmax_arguments
from keras_alt.operators import is_kernel
from keras_alt.replacements import Replacements

L = keras.layers


def scale_into_softmax(model: keras.Model) -> keras.Model:
    """Turn `Rescaling` and softmax in front of a kernel into one `ScaledSoftmax`.

    The factor must be positive, and only the softmax may read what it scales. The layer has the
    name of the softmax. A softmax behind the last kernel shapes the output, and stays.
    """
    graph = Graph(model)
    found = {
        call: scaled
        for call in _in_front_of_kernels(graph)
        if (scaled := _scaled(graph, call)) is not None
    }
    replacements = Replacements(graph, found)

    def rule(call, new):
        rescaling, arguments = found[call], softmax_arguments(call.layer)
        scale = arguments["scale"] * float(rescaling.layer.scale)
        dtype = call.layer.dtype_policy
        make = lambda name: ScaledSoftmax(arguments["axis"], scale, name=name, dtype=dtype)  # noqa: E731
        return replacements(call.layer, scale, make)(new(rescaling.inputs[0]))

    return rewrite(graph, rule, found)


def _in_front_of_kernels(graph):
    """Return the calls whose outputs a kernel reads, directly or through others."""
    ahead, calls = set(), []
    for call in reversed(graph.calls):
        if not ahead.isdisjoint(call.outputs):
            calls.append(call)
        if is_kernel(call) or not ahead.isdisjoint(call.outputs):
            ahead.update(call.inputs)
    return calls


def _scaled(graph, call):
    """Return the call of the `Rescaling` that a softmax can take over, or None."""
    if softmax_arguments(call.layer) is None or len(call.inputs) != 1:
        return None
    producer = graph.producer.get(call.inputs[0])
    if producer is None or type(producer.layer) is not L.Rescaling:
        return None
    scale, offset = producer.layer.scale, producer.layer.offset
    is_factor = not np.ndim(scale) and scale > 0 and not np.any(offset)
    return producer if is_factor and graph.sole_reader(producer.output) is call else None
