"""Separation of separable convolutions into their two convolutions."""

import keras

from keras_alt.graph import Graph, rewrite

L = keras.layers


def split_separable(model: keras.Model) -> keras.Model:
    """Turn a linear `SeparableConv2D` into `<name>_depthwise` and a 1x1 `Conv2D` of its name."""
    graph = Graph(model)
    separable = [call for call in graph.calls if type(call.layer) is L.SeparableConv2D]
    pairs = {}

    def rule(call, new):
        layer = call.layer
        first = layer not in pairs
        if first:
            pairs[layer] = _depthwise(layer), _pointwise(layer)
        depthwise, pointwise = pairs[layer]
        outputs = pointwise(depthwise(new(call.inputs[0])))
        if first:
            depthwise.set_weights([layer.depthwise_kernel])
            pointwise.set_weights(
                [layer.pointwise_kernel] + ([layer.bias] if layer.use_bias else [])
            )
        return outputs

    return rewrite(graph, rule, separable)


def _depthwise(layer):
    return L.DepthwiseConv2D(
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
        name=f"{layer.name}_depthwise",
    )


def _pointwise(layer):
    return L.Conv2D(
        layer.filters,
        1,
        data_format=layer.data_format,
        use_bias=layer.use_bias,
        kernel_regularizer=layer.pointwise_regularizer,
        kernel_constraint=layer.pointwise_constraint,
        bias_regularizer=layer.bias_regularizer,
        bias_constraint=layer.bias_constraint,
        trainable=layer.trainable,
        dtype=layer.dtype_policy,
        name=layer.name,
    )
