"""Folding of a batch norm into the kernel and the bias in front of it, while it trains."""

from typing import Any, NamedTuple

import keras

from keras_alt.layers.channels import add_bias, channel_axis


class Folded(NamedTuple):
    """What a kernel layer computes with.

    Attributes:
        kernel: the kernel, times the factor of the batch norm.
        bias: the layer's own or that of the batch norm, or None.
        correction: factor of the sum for each channel, or None; see `FoldedBatchNorm`.
    """

    kernel: Any
    bias: Any
    correction: Any


def folded(layer: keras.layers.Layer, inputs=None) -> Folded:
    """Return kernel and bias of `layer` with its batch norm, if there is one.

    Args:
        inputs: of the layer, for batch statistics; None for moving statistics.
    """
    kernel = layer.masked(layer.role, layer.kernel)
    bias = layer.bias if layer.use_bias else None
    if layer.batch_norm is None:
        return Folded(kernel, bias, None)
    raw = None if inputs is None else add_bias(layer, layer.linear(inputs, kernel), bias)
    factor, bias, correction = layer.batch_norm(raw, bias=bias, axis=channel_axis(layer))
    return Folded(kernel * layer.kernel_scale(factor), bias, correction)
