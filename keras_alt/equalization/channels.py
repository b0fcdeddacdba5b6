"""Which channels of which tensors must be scaled by one factor, for the function to stay."""

import keras
import numpy as np

from keras_alt.activations import leaky_slope
from keras_alt.equalization.caps import is_relu
from keras_alt.graph import Graph
from keras_alt.operators import is_kernel, kind_of

L = keras.layers

# Layers that treat each channel alone, and of which a positive factor can be taken out, also in
# training.
PER_CHANNEL = (
    *(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D),
    *(L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D),
    *(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
    *(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D),
    *(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D),
    *(L.Cropping1D, L.Cropping2D, L.Cropping3D),
    *(L.UpSampling1D, L.UpSampling2D, L.UpSampling3D),
    *(L.Dropout, L.SpatialDropout1D, L.SpatialDropout2D, L.SpatialDropout3D, L.GaussianDropout),
    *(L.Identity, L.PReLU),
)
MERGES = (L.Add, L.Subtract, L.Average, L.Maximum, L.Minimum)
FIXED = 0  # the class of the channels that keep their scale


class ChannelClasses:
    """The classes of channels: those of a class are scaled by one factor, in all tensors.

    A kernel separates the channels that it reads from those that it writes. Activations, pools and
    the like join those of input and output; additions and concatenations those of all operands, so
    that the channels of a residual stream are one class each. Inputs and outputs of the model, and
    what any other layer reads or writes, keep their scale.

    Args:
        graph: `Graph` of a float model from `keras_alt.transforms.folded`.

    Attributes:
        count: number of classes. Class 0, `FIXED`, keeps its scale.
    """

    def __init__(self, graph: Graph):
        self._parents = [FIXED]
        self._nodes = {}
        self._calls = [call.layer for call in graph.calls]
        for tensor in graph.inputs:
            self._nodes[tensor] = _fixed(tensor)
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
        """Return the class of each channel, the last axis of a tensor.

        If the number of channels is open, there is one class, `FIXED`.
        """
        return self._numbers[self._nodes[tensor]]

    def _outputs(self, call):
        """Return the nodes of each output of a call, and join what it joins."""
        nodes = self._output(call) if _has_channels_last(call) else None
        if nodes is not None:
            return [nodes]
        for tensor in call.inputs:
            self._join(self._nodes[tensor], FIXED)
        return [_fixed(tensor) for tensor in call.outputs]

    def _output(self, call):
        """Return the nodes of the only output of a call; None if no factor passes the call."""
        layer, kind, (output,) = call.layer, kind_of(call.layer), call.outputs
        if is_kernel(call):
            is_alone = self._calls.count(layer) == 1 and hasattr(layer, "kernel")
            is_linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
            return self._new(output) if is_alone and is_linear else None
        nodes = [self._nodes[tensor] for tensor in call.inputs]
        if kind in PER_CHANNEL or is_relu(layer) or _is_leaky(layer) or _is_factor(layer):
            return nodes[0]
        if kind in MERGES:
            return self._merged(nodes)
        if kind is L.Concatenate:
            last = layer.axis % len(output.shape) == len(output.shape) - 1
            return np.concatenate(nodes) if last else self._merged(nodes)
        if kind in (L.Flatten, L.Reshape):
            return self._reshaped(nodes[0], output.shape[-1])
        return self._product(nodes) if kind is L.Multiply else None

    def _merged(self, nodes):
        """Join the channels of several operands; an operand with one channel is repeated."""
        channels = max(map(len, nodes))
        first, *others = (np.broadcast_to(n, channels) for n in nodes)
        for other in others:
            self._join(first, other)
        return first

    def _reshaped(self, nodes, channels):
        """Return the nodes behind a reshape: cell `i` of a row-major array keeps its place."""
        before = len(nodes)
        if channels % before == 0:
            return np.tile(nodes, channels // before)
        if before % channels == 0:
            first, *others = nodes.reshape(-1, channels)
            for other in others:
                self._join(first, other)
            return first
        return None

    def _product(self, nodes):
        """A product has the factor of the one operand that may be scaled."""
        free = [n for n in nodes if any(self._root(node) != FIXED for node in n)]
        return np.broadcast_to(free[0], max(map(len, nodes))) if len(free) == 1 else None

    def _new(self, tensor):
        first, channels = len(self._parents), tensor.shape[-1]
        self._parents.extend(range(first, first + channels))
        return np.arange(first, first + channels)

    def _join(self, first, second):
        for a, b in zip(first, np.broadcast_to(second, np.shape(first)), strict=True):
            a, b = sorted((self._root(a), self._root(b)))
            self._parents[b] = a

    def _root(self, node):
        while self._parents[node] != node:
            self._parents[node] = node = self._parents[self._parents[node]]
        return node


def _fixed(tensor):
    channels = tensor.shape[-1] if len(tensor.shape) else None
    return np.full(channels or 1, FIXED)


def _is_leaky(layer):
    return leaky_slope(layer) is not None and getattr(layer, "max_value", None) is None


def _is_factor(layer):
    return kind_of(layer) is L.Rescaling and not np.any(layer.offset)


def _has_channels_last(call):
    """Return whether one output and all inputs have a known number of channels, the last axis."""
    shapes = [tensor.shape for tensor in (*call.inputs, *call.outputs)]
    is_known = all(len(shape) > 1 and shape[-1] is not None for shape in shapes)
    is_first = getattr(call.layer, "data_format", None) == "channels_first"
    return len(call.outputs) == 1 and is_known and not is_first
