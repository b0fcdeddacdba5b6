"""Activations of Keras, as operators and as layers with parameters."""

import math

from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.writer import composes, writes_float
from keras_alt.operators import kind_of

LOWEST = -1e9  # the score of what a mask leaves out

ACTIVATIONS = {
    "Sigmoid": "Sigmoid",
    "Relu": "Relu",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
}
FORMULAS = {
    "Relu6": lambda x: ops.clip(x, 0.0, 6.0),
    "Silu": lambda x: x * ops.sigmoid(x),
    "HardSilu": lambda x: x * ops.hard_sigmoid(x),
    "LogSigmoid": lambda x: -ops.softplus(-x),
    "TanhShrink": lambda x: x - ops.tanh(x),
    "HardTanh": lambda x: ops.clip(x, -1.0, 1.0),
    "SparseSigmoid": lambda x: ops.clip(0.5 * (x + 1.0), 0.0, 1.0),
    "SparsePlus": lambda x: ops.where(
        x <= -1.0, 0.0, ops.where(x < 1.0, 0.25 * ops.square(x + 1.0), x)
    ),
    "Mish": lambda x: x * ops.tanh(ops.softplus(x)),
}


@writes_float(*ACTIVATIONS)
def _activation(writer, call, x):
    return writer.add(ACTIVATIONS[kind_of(call.layer)], writer.operand(x, call.output.dtype))


def _formula(kind):
    composes(kind)(lambda operator, x: FORMULAS[kind](x))


for kind in FORMULAS:
    _formula(kind)


@writes_float("LeakyRelu")
def _leaky_relu(writer, call, x):
    return writer.add("LeakyRelu", writer.operand(x), alpha=float(call.layer.negative_slope))


@writes_float("Elu")
def _elu(writer, call, x):
    return writer.add("Elu", writer.operand(x), alpha=float(call.layer.alpha))


@writes_float("Celu")
def _celu(writer, call, x):
    return writer.add("Celu", writer.operand(x), alpha=float(call.layer.alpha))


@writes_float("Selu")
def _selu(writer, call, x):
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return writer.add("Selu", writer.operand(x), alpha=alpha, gamma=scale)


@writes_float("HardSigmoid")
def _hard_sigmoid(writer, call, x):
    return writer.add("HardSigmoid", writer.operand(x), alpha=1 / 6, beta=0.5)


@composes("Gelu")
def _gelu(operator, x):
    if operator.approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + ops.tanh(inner))
    return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2)))


@composes("Squareplus")
def _squareplus(operator, x):
    return 0.5 * (x + ops.sqrt(x * x + float(operator.b)))


@composes("SoftShrink")
def _soft_shrink(operator, x):
    return ops.sign(x) * ops.relu(ops.abs(x) - operator.threshold)


@composes("HardShrink")
def _hard_shrink(operator, x):
    return ops.where(ops.abs(x) > operator.threshold, x, 0.0)


@composes("Threshold")
def _threshold(operator, x):
    return ops.where(x > operator.threshold, x, float(operator.default_value))


@composes("Glu")
def _glu(operator, x):
    first, second = ops.split(x, 2, axis=operator.axis)
    return first * ops.sigmoid(second)


@composes("ReLU")  # the function `keras.activations.relu` with its arguments
def _relu_function(operator, x):
    return _relu(x, operator.negative_slope, operator.max_value, operator.threshold)


@composes(L.ReLU)
def _relu_layer(layer, x):
    return _relu(x, layer.negative_slope, layer.max_value, layer.threshold)


def _relu(x, slope, bound, threshold):
    """Return x above the threshold, and below it the slope times what is missing."""
    above = ops.where(x > threshold, x, 0.0) if threshold else ops.relu(x)
    if bound is not None:
        above = ops.clip(above, 0.0, bound)
    return above - float(slope) * ops.relu(threshold - x) if slope else above


@writes_float("Softmax", "LogSoftmax")
def _softmax(writer, call, x):
    axis, kind = call.layer.axis, kind_of(call.layer)
    if isinstance(axis, int):
        options = {} if axis == -1 else {"axis": axis}  # the last axis is ONNX' default
        return writer.add(kind, writer.operand(x), **options)
    formula = _softmax_of_axes if kind == "Softmax" else _log_softmax_of_axes
    return writer.composed(lambda x: formula(x, axis), x)


def _softmax_of_axes(x, axes):
    axes = tuple(range(len(x.shape))) if axes is None else axes
    powers = ops.exp(x - ops.max(x, axis=axes, keepdims=True))
    return powers / ops.sum(powers, axis=axes, keepdims=True)


def _log_softmax_of_axes(x, axes):
    axes = tuple(range(len(x.shape))) if axes is None else axes
    x = x - ops.max(x, axis=axes, keepdims=True)
    return x - ops.log(ops.sum(ops.exp(x), axis=axes, keepdims=True))


@writes_float(L.Softmax)
def _softmax_layer(writer, call, x, mask=None):
    axis = call.layer.axis
    if isinstance(axis, (tuple, list)):
        axis = int(axis[0]) if len(axis) == 1 else tuple(axis)
    if mask is not None:
        return writer.composed(lambda x, mask: _masked_softmax(x, mask, axis), x, mask)
    if isinstance(axis, int):
        return writer.add("Softmax", writer.operand(x), axis=axis)
    return writer.composed(lambda x: _softmax_of_axes(x, axis), x)


def _masked_softmax(x, mask, axis):
    mask = mask if mask.dtype == "bool" else mask > 0.5
    scores = ops.where(mask, x, LOWEST)
    softmax = ops.softmax if isinstance(axis, int) else _softmax_of_axes
    return ops.where(mask, softmax(scores, axis), 0.0)


@composes(L.PReLU)
def _prelu(layer, x):
    return ops.relu(x) - ops.relu(-x) * layer.alpha
