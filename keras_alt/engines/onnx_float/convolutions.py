"""Convolutions with one, two and three spatial axes."""

import math

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.following import FOLLOWED
from keras_alt.engines.onnx_float.writer import array_of, composes, is_tensor, no_form, writes_float
from keras_alt.padding import paddings


def tuple_of(value, count: int) -> list[int]:
    """Return an argument that is a number or has one for each spatial axis, as a list."""
    return [int(value)] * count if isinstance(value, int) else [int(v) for v in value]


def channels_first(writer, x, data_format):
    """Return the name of a tensor with its channels behind the batch."""
    name, rank = writer.operand(x, "float32"), len(x.shape)
    if data_format == "channels_first":
        return name
    return writer.transposed(name, [0, rank - 1, *range(1, rank - 1)])


def as_it_was(writer, name, x, data_format):
    """Move the channels back to where the data format has them."""
    if data_format == "channels_first":
        return name
    return writer.transposed(name, [0, *range(2, len(x.shape)), 1])


def space(x, data_format):
    """Return the sizes of the spatial axes."""
    return x.shape[2:] if data_format == "channels_first" else x.shape[1:-1]


def pads(rule, sizes, window, strides, dilation) -> dict:
    """Return the attributes of a node that pads as Keras does."""
    if rule == "valid":
        return {}
    if rule == "causal" or max(strides) == 1:  # the sizes do not matter
        sizes = window
    if None in sizes:
        return {"auto_pad": "SAME_UPPER"}
    pairs = paddings(rule, sizes, window, strides, dilation)
    return {"pads": [before for before, _ in pairs] + [after for _, after in pairs]}


@writes_float("Conv")
def _conv(writer, call, inputs, kernel):
    """Move a kernel of `(window, inputs, filters)` to ONNX's order; groups share the filters."""
    rank = len(inputs.shape)
    name = kernel_of(writer, call, kernel, lambda k: np.moveaxis(k, [-1, -2], [0, 1]))
    channels = inputs.shape[1 if call.layer.data_format == "channels_first" else rank - 1]
    return _convolved(writer, call, inputs, kernel, name, channels // kernel.shape[-2])


@writes_float(L.Conv1D, L.Conv2D, L.Conv3D)
def _conv_layer(writer, call, inputs):
    """Write a layer, because Keras has no symbolic convolution in groups."""
    layer = call.layer
    name = _conv(writer, call, inputs, layer.kernel)
    if layer.bias is not None:
        name = writer.add("Add", name, writer.constant(_per_filter(layer, inputs), "float32"))
    sums = writer.symbol(call.output.shape, call.output.dtype, name)
    activation = FOLLOWED.get(layer.activation, layer.activation)
    return writer.composed(activation, sums) if activation else name


def _per_filter(layer, inputs):
    """Return the bias in a shape that fits the sums."""
    is_first = layer.data_format == "channels_first"
    return array_of(layer.bias).reshape([-1] + [1] * (len(inputs.shape) - 2) if is_first else [-1])


@writes_float("DepthwiseConv")
def _depthwise_conv(writer, call, inputs, kernel):
    def moved(k):
        k = np.moveaxis(k, [-2, -1], [0, 1])
        return k.reshape(-1, 1, *k.shape[2:])

    name = kernel_of(writer, call, kernel, moved)
    return _convolved(writer, call, inputs, kernel, name, kernel.shape[-2])


def kernel_of(writer, call, kernel, moved) -> str:
    """Return the name of a constant kernel in ONNX's order of axes."""
    if is_tensor(kernel):
        raise no_form(call, "a kernel that is computed")
    return writer.constant(np.ascontiguousarray(moved(array_of(kernel))), "float32")


def _convolved(writer, call, inputs, kernel, name, groups):
    layer, axes = call.layer, len(inputs.shape) - 2
    window = [int(n) for n in kernel.shape[:axes]]
    strides, dilation = tuple_of(layer.strides, axes), tuple_of(layer.dilation_rate, axes)
    sizes = space(inputs, layer.data_format)
    padding = pads(layer.padding, sizes, window, strides, dilation)
    if "auto_pad" in padding and max(dilation) > 1:
        raise no_form(call, f"dilation {dilation} with padding 'same' of open sizes")
    x = channels_first(writer, inputs, layer.data_format)
    options = {"strides": strides, "dilations": dilation, "group": int(groups), **padding}
    x = writer.add("Conv", x, name, kernel_shape=window, **options)
    return as_it_was(writer, x, inputs, layer.data_format)


@composes("SeparableConv")
def _separable_conv(operator, inputs, depthwise_kernel, pointwise_kernel):
    options = {"data_format": operator.data_format}
    x = ops.depthwise_conv(
        inputs,
        depthwise_kernel,
        strides=operator.strides,
        padding=operator.padding,
        dilation_rate=operator.dilation_rate,
        **options,
    )
    return ops.conv(x, pointwise_kernel, strides=1, padding="valid", **options)


@writes_float("ConvTranspose")
def _conv_transpose(writer, call, inputs, kernel):
    layer, axes = call.layer, len(inputs.shape) - 2
    window = [int(n) for n in kernel.shape[:axes]]
    strides, dilation = tuple_of(layer.strides, axes), tuple_of(layer.dilation_rate, axes)
    before, after, beyond = _cut(layer, kernel, window, strides, dilation)
    name = kernel_of(writer, call, kernel, lambda k: np.moveaxis(k, [-1, -2], [0, 1]))
    x = channels_first(writer, inputs, layer.data_format)
    options = {"pads": before + after, "output_padding": beyond}
    x = writer.add(
        "ConvTranspose",
        x,
        name,
        kernel_shape=window,
        strides=strides,
        dilations=dilation,
        **options,
    )
    return as_it_was(writer, x, inputs, layer.data_format)


def _cut(layer, kernel, window, strides, dilation):
    """Return how many cells each axis loses before and after, and how many it gains after.

    The length of the output minus the stride times that of the input does not depend on the input.
    """
    probe = 4 * math.prod(dilation) + max(window)
    shape = [1, *[probe] * len(window), kernel.shape[-1]]
    output = ops.conv_transpose(
        keras.KerasTensor(shape),
        kernel,
        strides=layer.strides,
        padding=layer.padding,
        output_padding=layer.output_padding,
        data_format="channels_last",
        dilation_rate=layer.dilation_rate,
    )
    before, after, beyond = [], [], []
    for size, k, s, d in zip(output.shape[1:-1], window, strides, dilation, strict=True):
        total = s * (probe - 1) + d * (k - 1) + 1 - size
        first = max(total, 0) // 2 if layer.padding == "same" else 0
        before.append(first)
        after.append(max(total, 0) - first)
        beyond.append(max(-total, 0))
    return before, after, beyond
