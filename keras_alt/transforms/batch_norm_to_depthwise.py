"""Replacement of batch normalizations by depthwise convolutions of window 1."""

import math

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, Replay, call_and_fill
from keras_alt.replacements import Replacements

L = keras.layers
CONVOLUTIONS = {3: L.DepthwiseConv1D, 4: L.DepthwiseConv2D}  # by the rank of what they read


def has_depthwise_form(call: Call) -> bool:
    """Return whether a batch norm can become a depthwise convolution."""
    shape = call.inputs[0].shape
    return len(shape) in CONVOLUTIONS or None not in shape[1:]


class DepthwiseNorms:
    """Makes a depthwise convolution for each batch norm.

    A norm over another number of axes than lines or images have reads a line of all positions. A
    norm over an axis that no convolution has for its channels reads a transposed tensor.

    Args:
        graph: the old graph.
        replaced: calls of the norms.
    """

    def __init__(self, graph: Graph, replaced: set[Call]):
        self.convolutions = Replacements(graph, replaced)
        self.moves = Replacements(graph, replaced)

    def __call__(self, call: Call, new: Replay):
        """Return what the norm computes."""
        norm, x = call.layer, new(call.inputs[0])
        rank = len(x.shape)
        axis = norm_axis(norm) % rank
        if axis == 1 and rank in CONVOLUTIONS:
            return self.convolved(norm, x, "channels_first")
        order = [i for i in range(1, rank) if i != axis] + [axis]
        last = self.permuted(norm, x, order, "channels_last")
        y = self.convolved(norm, self.reshaped(norm, last, _line(last.shape), "line"))
        y = self.reshaped(norm, y, last.shape[1:], "space")
        back = [order.index(i) + 1 for i in range(1, rank)]
        return self.permuted(norm, y, back, "channels_back")

    def convolved(self, norm, x, data_format="channels_last"):
        def make(name):
            return CONVOLUTIONS[len(x.shape)](
                1,
                data_format=data_format,
                dtype=norm.dtype_policy,
                trainable=norm.trainable,
                name=name,
            )

        def fill(depthwise):
            factor, offset = affine(norm)
            depthwise.set_weights([factor.reshape(depthwise.kernel.shape), offset])

        return call_and_fill(self.convolutions(norm, None, make), fill, x)

    def permuted(self, norm, x, order, suffix):
        if order == sorted(order):
            return x
        make = lambda name: L.Permute(order, name=f"{name}_{suffix}")  # noqa: E731
        return self.moves(norm, suffix, make)(x)

    def reshaped(self, norm, x, shape, suffix):
        if x.shape[1:] == shape:
            return x
        make = lambda name: L.Reshape(shape, name=f"{name}_{suffix}")  # noqa: E731
        return self.moves(norm, (suffix, shape), make)(x)


def _line(shape) -> tuple:
    """Return the shape, without the batch, that a convolution reads instead of `shape`."""
    if len(shape) in CONVOLUTIONS:
        return shape[1:]
    return math.prod(shape[1:-1]), shape[-1]


def norm_axis(norm) -> int:
    """Return the axis that a batch norm keeps apart; the batch counts."""
    return norm.axis[0] if isinstance(norm.axis, (list, tuple)) else norm.axis


def affine(norm) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset of a batch normalization at inference.

    Both have the shape `(channels,)` and are float64.
    """
    numbers = lambda v: ops.convert_to_numpy(v).astype(np.float64)  # noqa: E731
    factor = 1.0 / np.sqrt(numbers(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        factor = factor * numbers(norm.gamma)
    offset = -numbers(norm.moving_mean) * factor
    return factor, offset + numbers(norm.beta) if norm.center else offset
