"""Integer form of the layers that multiply by kernels."""

import keras
import numpy as np
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.integer.accumulators import magnitudes
from keras_alt.integer.program import Constant, Tensor
from keras_alt.integer.reader import NotIntegerError, constant, handles, rounded
from keras_alt.layers import (
    QuantAveragePoolConv2D,
    QuantConv1D,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantDense,
    QuantDepthwiseConv2D,
    QuantLeakyReLU,
    QuantSeparableConv2D,
)
from keras_alt.padding import paddings
from keras_alt.quantizer import RELU_MAX


@handles(QuantConv1D, QuantConv2D)
def _convolution(reader, call):
    layer = call.layer
    ((quantizer, kernel),) = _constants(layer)
    return _finished(reader, call, _convolved(reader, call, kernel, quantizer, layer.groups))


@handles(QuantDepthwiseConv2D, QuantAveragePoolConv2D)
def _depthwise(reader, call):
    ((quantizer, kernel),) = _constants(call.layer)
    return _finished(reader, call, _depthwise_sums(reader, call, kernel, quantizer))


@handles(QuantSeparableConv2D)
def _separable(reader, call):
    layer = call.layer
    (first, depthwise), (second, pointwise) = _constants(layer)
    if layer.depthwise_quantizer is None:
        raise NotIntegerError(
            f"The depthwise result of '{layer.name}' must be quantized. "
            f"Received: activation_bits={layer.activation_bits}"
        )
    position = _depthwise_sums(reader, call, depthwise, first)
    position = reader.requantize(
        position, layer.depthwise_quantizer, layer, f"{layer.name}/depthwise"
    )
    kernel = constant(pointwise, second)
    ones = (1,) * layer.rank
    position = _sums(
        reader,
        "convolve",
        layer,
        position,
        reader.tensor(position).shape[:-1],
        kernel,
        strides=ones,
        padding=((0, 0),) * layer.rank,
        dilation=ones,
        groups=1,
    )
    return _finished(reader, call, position)


@handles(QuantConv2DTranspose)
def _transposed(reader, call):
    layer = call.layer
    ((quantizer, kernel),) = _constants(layer)
    kernel = constant(kernel, quantizer)
    position = reader.channels_last(reader.positions[call.inputs[0]], layer)
    shape = call.outputs[0].shape[1:]
    size = shape[:-1] if layer.data_format == "channels_last" else shape[1:]
    reader.require_size(layer, size)
    crop = [0, 0]
    if layer.padding == "same":
        # The padding of the convolution whose gradient this is.
        space = reader.tensor(position).shape[:-1]
        window = kernel.codes.shape[:2]
        pairs = zip(space, window, layer.strides, layer.dilation_rate, size, strict=True)
        crop = [max((n - 1) * s + (k - 1) * d + 1 - out, 0) // 2 for n, k, s, d, out in pairs]
    position = _sums(
        reader,
        "convolve_transposed",
        layer,
        position,
        size,
        kernel,
        strides=tuple(layer.strides),
        crop=tuple(crop),
        size=tuple(size),
        dilation=tuple(layer.dilation_rate),
    )
    return _finished(reader, call, position)


@handles(QuantDense)
def _dense(reader, call):
    layer = call.layer
    ((quantizer, kernel),) = _constants(layer)
    position = reader.positions[call.inputs[0]]
    space = reader.tensor(position).shape[:-1]
    position = _sums(reader, "matrix_product", layer, position, space, constant(kernel, quantizer))
    return _finished(reader, call, position)


@handles(QuantLeakyReLU)
def _leaky_relu(reader, call):
    """`q8(max(q16(x), q16(q16(slope) * q16(x))))`, as the layer's `call` has it."""
    layer, program = call.layer, reader.program
    if layer.input_quantizer is None:
        raise NotIntegerError(
            f"Layer '{layer.name}' has no integer form without widths. "
            f"Received: internal_bits={layer.internal_bits}"
        )
    name = layer.name
    x = reader.requantize(
        reader.positions[call.inputs[0]],
        layer.input_quantizer,
        layer,
        f"{name}/input",
        rounding=layer.rounding,
    )
    ((quantizer, slope),) = layer.constants()
    slope = constant(slope, quantizer)
    t = reader.tensor(x)
    bounds = sorted((t.low * int(slope.codes), t.high * int(slope.codes)))
    product = program.add_step(
        "multiply",
        name,
        [x],
        Tensor(f"{name}/product", t.shape, t.exponent + slope.exponent, *bounds),
        constant=slope,
    )
    product = reader.requantize(product, layer.input_quantizer, layer, f"{name}/product")
    low, high = max(t.low, reader.tensor(product).low), t.high
    y = program.add_step(
        "maximum",
        name,
        [x, product],
        Tensor(name, t.shape, t.exponent, low, high, t.format),
        shifts=(0, 0),
    )
    if layer.max_value is not None:
        y = clipped(reader, y, layer, None, layer.max_value)
    if layer.activation_quantizer is not None:
        y = reader.requantize(y, layer.activation_quantizer, layer, f"{name}/activation")
    return y


def clipped(reader, position, layer, low, high):
    """Append a clip at bounds given as values; they must lie on the grid."""
    t = reader.tensor(position)
    codes = [None if b is None else b * 2.0**-t.exponent for b in (low, high)]
    if any(c is not None and c != int(c) for c in codes):
        raise NotIntegerError(
            f"The bounds of '{layer.name}' must lie on the grid of its input. "
            f"Received: bounds {low}, {high} and a step of {2.0**t.exponent}"
        )
    low, high = (None if c is None else int(c) for c in codes)
    least = t.low if low is None else max(t.low, low)
    most = t.high if high is None else min(t.high, high)
    tensor = Tensor(layer.name, t.shape, t.exponent, least, most, t.format)
    return reader.program.add_step("clip", layer.name, [position], tensor, low=low, high=high)


def _constants(layer):
    """Return `(quantizer, kernel)` pairs; all kernels must be quantized."""
    norm = layer.batch_norm
    if norm is not None and not bool(norm.statistics_frozen.value):
        raise NotIntegerError(
            f"The batch norm of '{layer.name}' still follows its batches: train with "
            "`keras_alt.callbacks.FreezeBatchNorm` first. Received: statistics that are not frozen."
        )
    constants = layer.constants()
    if len(constants) < len(layer.kernels()):
        raise NotIntegerError(
            f"Layer '{layer.name}' has no integer form with a float kernel. "
            f"Received: kernel_bits={layer.kernel_bits}"
        )
    return constants


def _convolved(reader, call, kernel, quantizer, groups):
    """Append the convolution of the call's input; return the position of the sums."""
    layer = call.layer
    kernel = constant(kernel, quantizer)
    position = reader.channels_last(reader.positions[call.inputs[0]], layer)
    space = reader.tensor(position).shape[:-1]
    reader.require_size(layer, space)
    window, dilation = kernel.codes.shape[:-2], tuple(layer.dilation_rate)
    padding = paddings(layer.padding, space, window, layer.strides, dilation)
    extents = zip(space, padding, window, dilation, layer.strides, strict=True)
    size = [(n + a + b - d * (k - 1) - 1) // s + 1 for n, (a, b), k, d, s in extents]
    return _sums(
        reader,
        "convolve",
        layer,
        position,
        size,
        kernel,
        strides=tuple(layer.strides),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def _depthwise_sums(reader, call, kernel, quantizer):
    *window, channels, multiplier = kernel.shape
    kernel = ops.reshape(kernel, (*window, 1, channels * multiplier))
    return _convolved(reader, call, kernel, quantizer, channels)


def _sums(reader, operation, layer, position, space, kernel, **attributes):
    """Append a product with a kernel."""
    x = reader.tensor(position)
    weight = magnitudes(operation, kernel.codes)
    bound = int(weight.max(initial=0)) * max(-x.low, x.high)
    tensor = Tensor(
        f"{layer.name}/sum", (*space, len(weight)), x.exponent + kernel.exponent, -bound, bound
    )
    return reader.program.add_step(
        operation, layer.name, [position], tensor, kernel=kernel, **attributes
    )


def _finished(reader, call, position):
    """Append what follows the sums: accumulator, bias, activation and output quantizer."""
    layer = call.layer
    if layer.accumulator_quantizer is not None:
        position = reader.requantize(
            position, layer.accumulator_quantizer, layer, f"{layer.name}/accumulator"
        )
    position = _biased(reader, layer, position)
    position = _activated(reader, layer, position)
    return reader.channels_as(position, layer)


def _biased(reader, layer, position):
    bias = layer.folded_bias()
    if bias is None:
        return position
    x = reader.tensor(position)
    if layer.bias_quantizer is not None:
        bias = constant(bias, layer.bias_quantizer)
    elif layer.bias_width == 32:
        codes = rounded(ops.convert_to_numpy(bias), x.exponent, FixedPoint(32))
        bias = Constant(codes, x.exponent, FixedPoint(32))
    else:
        raise NotIntegerError(
            f"Layer '{layer.name}' has no integer form with a float bias. "
            f"Received: bias_bits={layer.bias_bits}"
        )
    finest = min(bias.exponent, x.exponent)
    shifts = (x.exponent - finest, bias.exponent - finest)
    most = int(np.abs(bias.codes).max(initial=0)) << shifts[1]
    low, high = (x.low << shifts[0]) - most, (x.high << shifts[0]) + most
    return reader.program.add_step(
        "add_constant",
        layer.name,
        [position],
        Tensor(f"{layer.name}/biased", x.shape, finest, low, high),
        constant=bias,
        shifts=shifts,
    )


def _activated(reader, layer, position):
    name = keras.activations.serialize(layer.activation)
    if not isinstance(name, str) or name not in RELU_MAX:
        raise NotIntegerError(
            f"Layer '{layer.name}' has no integer form with its activation. "
            f"Received: activation={name!r}"
        )
    if layer.activation_quantizer is not None:
        return reader.requantize(
            position, layer.activation_quantizer, layer, f"{layer.name}/activation"
        )
    bound = RELU_MAX[name]
    if bound is None:
        return position
    return clipped(reader, position, layer, 0.0, None if bound == np.inf else bound)
