"""Which channels of which tensors must be scaled by one factor, for the function to stay."""

import math

import keras
import numpy as np

from keras_alt.activations import leaky_slope, relu_max
from keras_alt.graph import Call, Graph
from keras_alt.layers import CappedReLU
from keras_alt.noise import NOISE
from keras_alt.operators import is_kernel, kind_of

L = keras.layers

# Layers that treat each channel alone, and of which a positive factor can be taken out.
PER_CHANNEL = (
    *(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D),
    *(L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D),
    *(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
    *(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D),
    *(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D),
    *(L.Cropping1D, L.Cropping2D, L.Cropping3D),
    *(L.UpSampling1D, L.UpSampling2D, L.UpSampling3D, L.Resizing),
    *(L.Identity, *NOISE),
)
MERGES = (L.Add, L.Subtract, L.Average, L.Maximum, L.Minimum)
FIXED = 0  # the class of the channels that keep their scale


def is_capped_relu(call: Call) -> bool:
    """Return whether the call is a ReLU, with one bound, a bound per channel, or none."""
    return relu_max(call.layer) is not None or type(call.layer) is CappedReLU


class ChannelClasses:
    """The classes of channels: those of a class are scaled by one factor, in all tensors.

    A kernel separates the channels that it reads from those that it writes. Activations, pools and
    the like join those of input and output; additions and concatenations those of all operands, so
    that the channels of a residual stream are one class each. Inputs and outputs of the model, and
    what any other layer reads or writes, keep their scale.

    Args:
        graph: `Graph` of a float model from `keras_alt.transforms.canonical`.

    Attributes:
        count: number of classes. Class 0, `FIXED`, keeps its scale.
    """

    def __init__(self, graph: Graph):
        self._parents = [FIXED]
        self._nodes = {}
        for tensor in graph.inputs:
            self._nodes[tensor] = self._fixed(tensor)
        for call in graph.calls:
            for tensor, nodes in zip(call.outputs, self._outputs(call), strict=True):
                self._nodes[tensor] = nodes
        for tensor in graph.outputs:
            self._join(self._nodes[tensor], FIXED)
        roots = sorted({self._root(node) for node in range(len(self._parents))})
        numbers = {root: number for number, root in enumerate(roots)}
        self.count = len(roots)
        self._numbers = np.array([numbers[self._root(n)] for n in range(len(self._parents))])

    def of(self, tensor) -> np.ndarray:
        """Return the class of each channel, the last axis of a tensor."""
        return self._numbers[self._nodes[tensor]]

    def _outputs(self, call):
        """Return the nodes of each output of a call, and join what it joins."""
        if len(call.outputs) == 1 and not _is_channels_first(call.layer):
            nodes = self._output(call)
            if nodes is not None:
                return [nodes]
        for tensor in call.inputs:
            self._join(self._nodes[tensor], FIXED)
        return [self._fixed(tensor) for tensor in call.outputs]

    def _output(self, call):
        layer, kind, (output,) = call.layer, kind_of(call.layer), call.outputs
        if is_kernel(call):
            is_linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
            return self._new(output) if is_linear and not _is_shared(call) else None
        nodes = [self._nodes[tensor] for tensor in call.inputs]
        if kind in PER_CHANNEL or kind is L.PReLU or _is_homogeneous(call):
            return nodes[0]
        if kind in MERGES:
            return self._merged(nodes)
        if kind is L.Concatenate:
            last = layer.axis % len(output.shape) == len(output.shape) - 1
            return np.concatenate(nodes) if last else self._merged(nodes)
        if kind in (L.Flatten, L.Reshape):
            return _reshaped(nodes[0], call.inputs[0].shape, output.shape)
        return self._product(nodes) if kind is L.Multiply else None

    def _merged(self, nodes):
        """Join the channels of several operands; an operand with one channel is repeated."""
        channels = max(map(len, nodes))
        first, *others = (np.broadcast_to(n, channels) for n in nodes)
        for other in others:
            self._join(first, other)
        return first

    def _product(self, nodes):
        """A product has the factor of the one operand that may be scaled."""
        free = [n for n in nodes if any(self._root(node) != FIXED for node in n)]
        same = len({len(n) for n in nodes}) == 1
        return free[0] if same and len(free) == 1 else None

    def _new(self, tensor):
        first, channels = len(self._parents), tensor.shape[-1]
        self._parents.extend(range(first, first + channels))
        return np.arange(first, first + channels)

    def _fixed(self, tensor):
        channels = tensor.shape[-1] if len(tensor.shape) else None
        return np.zeros(channels or 1, int)

    def _join(self, first, second):
        for a, b in zip(first, np.broadcast_to(second, np.shape(first)), strict=True):
            a, b = sorted((self._root(a), self._root(b)))
            self._parents[b] = a

    def _root(self, node):
        while self._parents[node] != node:
            self._parents[node] = node = self._parents[self._parents[node]]
        return node


def _is_homogeneous(call):
    return is_capped_relu(call) or leaky_slope(call.layer) is not None


def _is_channels_first(layer):
    return getattr(layer, "data_format", None) == "channels_first"


def _is_shared(call):
    return len(call.layer._inbound_nodes) > 1


def _reshaped(nodes, before, after):
    """Return the channels of a reshaped tensor; None if a channel of it has several classes."""
    if before[-1] == after[-1]:
        return nodes
    if None in before[1:] or len(after) != 2:
        return None
    return np.tile(nodes, math.prod(before[1:-1]))
