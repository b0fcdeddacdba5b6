"""Separation of separable convolutions into two convolutions."""

import functools

import keras
from keras import ops

from keras_alt.graph import Graph, call_and_fill, rewrite
from keras_alt.replacements import Replacements

L = keras.layers
PARTS = {
    L.SeparableConv1D: (L.DepthwiseConv1D, L.Conv1D),
    L.SeparableConv2D: (L.DepthwiseConv2D, L.Conv2D),
}


def split_separable(model: keras.Model) -> keras.Model:
    """Turn a separable convolution into a depthwise convolution and one of window 1.

    The first is named `<name>_depthwise`, with a number if that name is taken, the second `<name>`.
    The second has the activation.
    """
    graph = Graph(model)
    separable = [call for call in graph.calls if type(call.layer) in PARTS]
    replacements = Replacements(graph, separable)

    def rule(call, new):
        layer = call.layer
        make = functools.partial(_pointwise, layer)
        pointwise = replacements(layer, "pointwise", make)
        make = functools.partial(_depthwise, layer)
        depthwise = replacements(layer, "depthwise", make, suffix="depthwise")
        # As arrays: on JAX, variables must not share a buffer, which training gives away.
        first, *others = map(ops.convert_to_numpy, layer.weights)
        kernels = {depthwise: [first], pointwise: others}
        fill = lambda built: built.set_weights(kernels[built])  # noqa: E731
        return call_and_fill(pointwise, fill, call_and_fill(depthwise, fill, new(call.inputs[0])))

    return rewrite(graph, rule, separable)


def _depthwise(layer, name):
    kind, _ = PARTS[type(layer)]
    return kind(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        depthwise_regularizer=layer.depthwise_regularizer,
        depthwise_constraint=layer.depthwise_constraint,
        trainable=layer.trainable,
        dtype=layer.dtype_policy,
        name=name,
    )


def _pointwise(layer, name):
    _, kind = PARTS[type(layer)]
    return kind(
        layer.filters,
        1,
        activation=layer.activation,
        data_format=layer.data_format,
        use_bias=layer.use_bias,
        kernel_regularizer=layer.pointwise_regularizer,
        kernel_constraint=layer.pointwise_constraint,
        bias_regularizer=layer.bias_regularizer,
        bias_constraint=layer.bias_constraint,
        trainable=layer.trainable,
        dtype=layer.dtype_policy,
        activity_regularizer=layer.activity_regularizer,
        name=name,
    )
