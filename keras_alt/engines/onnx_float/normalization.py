"""Normalizations of Keras as formulas."""

import keras
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.reductions import axes_of
from keras_alt.engines.onnx_float.writer import array_of, composes


@composes("BatchNorm")
def _batch_norm(operator, x, mean, variance, offset=None, scale=None):
    shape = [1] * len(x.shape)
    shape[operator.axis] = x.shape[operator.axis]
    return _scaled(x, shape, operator.epsilon, mean, variance, offset, scale)


@composes(L.BatchNormalization)
def _batch_norm_layer(layer, x, mask=None):
    shape = [1] * len(x.shape)
    shape[layer.axis] = x.shape[layer.axis]
    offset = layer.beta if layer.center else None
    scale = layer.gamma if layer.scale else None
    mean, variance = layer.moving_mean, layer.moving_variance
    return _scaled(x, shape, layer.epsilon, mean, variance, offset, scale)


def _scaled(x, shape, epsilon, mean, variance, offset, scale):
    """Return `(x - mean) * slope + offset` along one axis."""
    slope = ops.rsqrt(ops.reshape(variance, shape) + epsilon)
    slope = slope if scale is None else slope * ops.reshape(scale, shape)
    x = (x - ops.reshape(mean, shape)) * slope
    return x if offset is None else x + ops.reshape(offset, shape)


@composes("LayerNorm")
def _layer_norm(operator, x, gamma=None, beta=None):
    axes = tuple(axes_of(operator.axis, len(x.shape)))
    epsilon = keras.config.epsilon() if operator.epsilon is None else operator.epsilon
    slope = ops.rsqrt(ops.var(x, axis=axes, keepdims=True) + epsilon)
    if operator.rms_scaling:
        x = x * slope
        return x if gamma is None else x * _along(gamma, axes, x)
    x = (x - ops.mean(x, axis=axes, keepdims=True)) * slope
    x = x if gamma is None else x * _along(gamma, axes, x)
    return x if beta is None else x + _along(beta, axes, x)


def _along(weight, axes, x):
    """Return a weight of some axes in a shape that fits the tensor."""
    if axes == (len(x.shape) - 1,):
        return weight
    return ops.reshape(weight, [n if i in axes else 1 for i, n in enumerate(x.shape)])


@composes("RMSNorm")
def _rms_norm(operator, x, scale=None):
    axes = tuple(axes_of(operator.axis, len(x.shape)))
    epsilon = keras.config.epsilon() if operator.epsilon is None else operator.epsilon
    x = x * ops.rsqrt(ops.mean(ops.square(x), axis=axes, keepdims=True) + epsilon)
    return x if scale is None else x * scale


@composes("Normalize")
def _normalize(operator, x):
    options = {"axis": operator.axis, "keepdims": True}
    epsilon = keras.config.epsilon() if operator.epsilon is None else operator.epsilon
    if operator.order == 2:
        inverse = ops.rsqrt(ops.sum(ops.square(x), **options))
        return x * ops.minimum(inverse, 1.0 / epsilon)
    total = ops.sum(ops.power(ops.abs(x), float(operator.order)), **options)
    return x / ops.maximum(ops.power(total, 1.0 / operator.order), epsilon)


@composes(L.Normalization)
def _normalization(layer, x):
    x, mean = ops.cast(x, "float32"), array_of(layer.mean)
    deviation = ops.maximum(ops.sqrt(array_of(layer.variance)), keras.config.epsilon())
    return x * deviation + mean if layer.invert else (x - mean) / deviation
