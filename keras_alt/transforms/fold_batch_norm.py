"""Folding of batch normalization into the layers in front of it."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, repeat, replaced, rewrite
from keras_alt.roles import KERNELS

L = keras.layers


def fold_batch_norm(model: keras.Model, keep_trainable: bool = False) -> keras.Model:
    """Fold every batch normalization, with its moving statistics.

    One that alone reads a linear layer goes into that layer's kernel and bias. One that reads
    anything else over an image becomes a 1x1 depthwise convolution. Others stay: the report names
    them.

    Args:
        model: functional model.
        keep_trainable: leave the pairs of the first kind, to be folded while they train.
    """
    graph = Graph(model)
    folded = {}

    def rule(call, new):
        if type(call.layer) is not L.BatchNormalization:
            return None
        pair = linear_in_front(graph, call)
        if pair is not None:
            return None if keep_trainable else _into_kernel(pair, call, new, folded)
        return _as_depthwise(call, new, folded)

    return rewrite(graph, rule)


def linear_in_front(graph: Graph, call: Call) -> Call | None:
    """Return the linear call that the batch normalization `call` alone reads, None if not so."""
    producer = graph.producer.get(call.inputs[0])
    if producer is None or type(producer.layer) not in KERNELS:
        return None
    if type(producer.layer) is L.SeparableConv2D:
        return None
    if producer.layer.activation is not keras.activations.linear:
        return None
    if not _normalizes_channels(call, producer.layer):
        return None
    return producer if graph.sole_reader(producer.output) is call else None


def _normalizes_channels(call, layer):
    rank = len(call.inputs[0].shape)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return _axis(call.layer) % rank == (1 if first else rank - 1)


def _into_kernel(linear: Call, call: Call, new, folded):
    layer, norm = linear.layer, call.layer
    first = (layer, norm) not in folded
    if first:
        name = layer.name if _used_once(layer, folded) else f"{layer.name}_{norm.name}"
        folded[layer, norm] = replaced(layer, type(layer), use_bias=True, name=name)
    result = folded[layer, norm]
    outputs = repeat(linear, new, result)
    if first:
        factor, offset = affine(norm)
        kernel = ops.convert_to_numpy(layer.kernel).astype(np.float64)
        bias = ops.convert_to_numpy(layer.bias) if layer.use_bias else 0.0
        result.set_weights([kernel * kernel_factor(layer, factor), bias * factor + offset])
    return outputs


def _used_once(layer, folded):
    return all(key[0] is not layer for key in folded if isinstance(key, tuple))


def kernel_factor(layer, factor):
    """Give a factor for each output channel the shape that scales the kernel of `layer`."""
    if type(layer) is L.DepthwiseConv2D:
        return factor.reshape(-1, layer.depth_multiplier)
    return factor.reshape(-1, 1) if type(layer) is L.Conv2DTranspose else factor


def affine(norm) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and offset of a batch normalization at inference, in float64."""
    numbers = lambda v: ops.convert_to_numpy(v).astype(np.float64)  # noqa: E731
    factor = 1.0 / np.sqrt(numbers(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        factor = factor * numbers(norm.gamma)
    offset = -numbers(norm.moving_mean) * factor
    return factor, offset + numbers(norm.beta) if norm.center else offset


def _as_depthwise(call, new, folded):
    norm, x = call.layer, call.inputs[0]
    if len(x.shape) != 4 or _axis(norm) % 4 not in (1, 3):
        return None
    first = norm not in folded
    if first:
        channels_first = _axis(norm) % 4 == 1
        folded[norm] = L.DepthwiseConv2D(
            1,
            data_format="channels_first" if channels_first else "channels_last",
            dtype=norm.dtype_policy,
            trainable=norm.trainable,
            name=norm.name,
        )
    outputs = folded[norm](new(x))
    if first:
        factor, offset = affine(norm)
        folded[norm].set_weights([factor.reshape(1, 1, -1, 1), offset])
    return outputs


def _axis(norm):
    return norm.axis[0] if isinstance(norm.axis, (list, tuple)) else norm.axis
