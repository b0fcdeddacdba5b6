"""Integer form of the layers that multiply by kernels."""

from dataclasses import replace

import keras
import numpy as np
from keras import ops

from keras_alt.activations import RELU_MAX
from keras_alt.formats import FixedPoint
from keras_alt.graph import Call
from keras_alt.integer.axes import channels_as, channels_last, known_paddings, known_size
from keras_alt.integer.grids import constant, grid, rounded
from keras_alt.integer.program import Constant, NotIntegerError
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import Grid, Variable, add, maximum
from keras_alt.layers import (
    QuantAveragePoolConv2D,
    QuantConv1D,
    QuantConv1DTranspose,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantConv3D,
    QuantDense,
    QuantDepthwiseConv1D,
    QuantDepthwiseConv2D,
    QuantLeakyReLU,
    QuantPReLU,
    QuantSeparableConv2D,
)
from keras_alt.layers.slope_product import in_halves
from keras_alt.targets import get_target


@handles(QuantConv1D, QuantConv2D, QuantConv3D)
def _convolution(reader: Reader, call: Call) -> Variable:
    layer, (kernel,) = call.layer, _kernels(call.layer)
    return _finished(_convolved(reader.operand(call), kernel, layer, layer.groups), layer, kernel)


@handles(QuantDepthwiseConv1D, QuantDepthwiseConv2D, QuantAveragePoolConv2D)
def _depthwise(reader: Reader, call: Call) -> Variable:
    layer, (kernel,) = call.layer, _kernels(call.layer)
    return _finished(_depthwise_sums(reader.operand(call), kernel, layer), layer, kernel)


@handles(QuantSeparableConv2D)
def _separable(reader: Reader, call: Call) -> Variable:
    layer = call.layer
    depthwise, pointwise = _kernels(layer)
    if layer.depthwise_quantizer is None:
        raise NotIntegerError(
            f"The depthwise result of '{layer.name}' must be quantized. "
            f"Received: activation_bits={layer.activation_bits}"
        )
    x = _depthwise_sums(reader.operand(call), depthwise, layer)
    x = _quantized(x, layer, "depthwise")
    ones = (1,) * layer.rank
    x = x.convolve(pointwise, ones, padding=((0, 0),) * layer.rank, dilation=ones)
    return _finished(x, layer, pointwise)


@handles(QuantConv1DTranspose, QuantConv2DTranspose)
def _transposed(reader: Reader, call: Call) -> Variable:
    layer, (kernel,) = call.layer, _kernels(call.layer)
    x = channels_last(reader.operand(call), layer)
    shape = call.outputs[0].shape[1:]
    size = known_size(layer, shape[:-1] if layer.data_format == "channels_last" else shape[1:])
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    crop = [0] * layer.rank
    if layer.padding == "same":
        # The padding of the convolution whose gradient this is.
        space = known_size(layer, x.shape[:-1])
        pairs = zip(space, kernel.codes.shape[:-2], strides, dilation, size, strict=True)
        crop = [max((n - 1) * s + (k - 1) * d + 1 - out, 0) // 2 for n, k, s, d, out in pairs]
    x = x.convolve_transposed(kernel, strides, tuple(crop), size, dilation)
    return _finished(x, layer, kernel)


@handles(QuantDense)
def _dense(reader: Reader, call: Call) -> Variable:
    (kernel,) = _kernels(call.layer)
    return _finished(reader.operand(call) @ kernel, call.layer, kernel)


@handles(QuantLeakyReLU)
def _leaky_relu(reader: Reader, call: Call) -> Variable:
    """`q8(max(q16(x), q16(q16(slope) * q16(x))))`, as the layer's `call` has it."""
    layer, name = call.layer, call.layer.name
    x, slope, q16 = _sloped(reader, call)
    y = maximum(x, _product(x, slope, layer).requantize(q16, f"{name}/product"))
    if layer.max_value is not None:
        y = y.clip(None, layer.max_value)
    return _stored(y, layer)


@handles(QuantPReLU)
def _prelu(reader: Reader, call: Call) -> Variable:
    """`q8(max(x, 0) + q16(q16(alpha) * min(x, 0)))`, as the layer's `call` has it."""
    layer, name = call.layer, call.layer.name
    x, slope, q16 = _sloped(reader, call)
    product = _product(x.clip(None, 0.0), slope, layer).requantize(q16, f"{name}/product")
    return _stored(add(x.clip(0.0, None), product), layer)


def _sloped(reader: Reader, call: Call) -> tuple[Variable, Constant, Grid]:
    """Return the input of a ReLU with slopes, the slopes, and the grid of their product."""
    layer, name = call.layer, call.layer.name
    if layer.input_quantizer is None:
        raise NotIntegerError(
            f"Layer '{name}' has no integer form without widths. "
            f"Received: internal_bits={layer.internal_bits}"
        )
    ((quantizer, values),) = layer.constants()
    q16 = grid(layer.input_quantizer)
    x = reader.operand(call).requantize(replace(q16, rounding=layer.rounding), f"{name}/input")
    return x, constant(values, quantizer), replace(q16, rounding=layer.product_rounding)


def _product(x: Variable, slope: Constant, layer) -> Variable:
    product = x * slope
    if in_halves(layer):
        product.program.halved.add(product.position)
    return product


def _stored(y: Variable, layer) -> Variable:
    if layer.activation_quantizer is None:
        return y
    return y.requantize(grid(layer.activation_quantizer), f"{layer.name}/activation")


def _kernels(layer) -> list[Constant]:
    """Return the kernels, all of which must be quantized."""
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
    return [constant(values, quantizer) for quantizer, values in constants]


def _convolved(x: Variable, kernel: Constant, layer, groups: int) -> Variable:
    x = channels_last(x, layer)
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    padding = known_paddings(layer, x.shape[:-1], kernel.codes.shape[:-2], strides, dilation)
    return x.convolve(kernel, strides, padding, dilation, groups)


def _depthwise_sums(x: Variable, kernel: Constant, layer) -> Variable:
    *window, channels, multiplier = kernel.codes.shape
    codes = kernel.codes.reshape(*window, 1, channels * multiplier)
    shifts = None if kernel.shifts is None else kernel.shifts.ravel()
    return _convolved(x, replace(kernel, codes=codes, shifts=shifts), layer, channels)


def _finished(x: Variable, layer, kernel: Constant) -> Variable:
    """Append what follows the sums: accumulator, bias, activation and output quantizer."""
    if layer.accumulator_quantizer is not None:
        x = x.requantize(grid(layer.accumulator_quantizer), f"{layer.name}/accumulator")
    bias = _bias(layer, x.exponent, kernel.shifts)
    if bias is not None:
        x = x + bias
    return channels_as(_activated(x, layer), layer)


def _bias(layer, exponent: int, shifts: np.ndarray | None) -> Constant | None:
    """Return the bias of sums on a grid, None without.

    Args:
        exponent: log2 of the finest step of the sums.
        shifts: those of the kernel.
    """
    bias = layer.folded_bias()
    if bias is None:
        return None
    if layer.bias_quantizer is not None:
        return constant(bias, layer.bias_quantizer)
    if layer.bias_width == 32:
        format = FixedPoint(32)
        exponents = exponent if shifts is None else exponent + shifts.ravel()
        codes = rounded(ops.convert_to_numpy(bias), exponents, format.qmin, format.qmax)
        return Constant.of(codes, exponents, format)
    raise NotIntegerError(
        f"Layer '{layer.name}' has no integer form with a float bias. "
        f"Received: bias_bits={layer.bias_bits}"
    )


def _quantized(x: Variable, layer, role: str) -> Variable:
    """Return what the layer's quantizer with a role makes of sums."""
    rounding = get_target(layer.target).kernel
    codes = grid(getattr(layer, f"{role}_quantizer"), x=x.tensor, rounding=rounding)
    return x.requantize(codes, f"{layer.name}/{role}")


def _activated(x: Variable, layer) -> Variable:
    name = keras.activations.serialize(layer.activation)
    if not isinstance(name, str) or name not in RELU_MAX:
        raise NotIntegerError(
            f"Layer '{layer.name}' has no integer form with its activation. "
            f"Received: activation={name!r}"
        )
    if layer.activation_quantizer is not None:
        return _quantized(x, layer, "activation")
    bound = RELU_MAX[name]
    if bound is None:
        return x
    return x.clip(0.0, None if bound == np.inf else bound)
