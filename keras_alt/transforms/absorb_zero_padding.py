"""Replacement of zero padding by the padding of the following convolution."""

import collections

import keras

from keras_alt.graph import Call, Graph, call_and_fill, replaced, rewrite, weights_from
from keras_alt.padding import paddings

L = keras.layers
PADDED = (L.Conv2D, L.DepthwiseConv2D)


def absorb_zero_padding(model: keras.Model) -> keras.Model:
    """Replace zero padding in front of a valid convolution by `padding="same"` where both agree.

    MobileNets pad by (0, 1) before convolutions with stride 2. At even sizes, "same" pads in the
    same way. A separate padding layer copies the image and costs time in training and on engines.
    """
    graph = Graph(model)
    times = collections.Counter(call.layer for call in graph.calls)
    in_front = {call: _padding_in_front(graph, call) for call in graph.calls}
    padded = [call for call in graph.calls if in_front[call] and times[call.layer] == 1]

    def rule(call, new):
        layer = replaced(call.layer, type(call.layer), padding="same")
        return call_and_fill(layer, weights_from(call.layer), new(in_front[call].inputs[0]))

    return rewrite(graph, rule, padded)


def _padding_in_front(graph: Graph, call: Call) -> Call | None:
    """Return the zero padding that only the convolution `call` reads, if "same" can replace it."""
    layer = call.layer
    if type(layer) not in PADDED or layer.padding != "valid":
        return None
    producer = graph.producer.get(call.inputs[0])
    if producer is None or type(producer.layer) is not L.ZeroPadding2D:
        return None
    if graph.sole_reader(producer.output) is not call:
        return None
    if producer.layer.data_format != layer.data_format:
        return None
    shape = producer.inputs[0].shape
    space = shape[1:3] if layer.data_format == "channels_last" else shape[2:4]
    if None in space:
        return None
    same = paddings("same", space, layer.kernel_size, layer.strides, layer.dilation_rate)
    given = tuple(tuple(pair) for pair in producer.layer.padding)
    return producer if given == same else None
