"""Adaptive rounding: kernels take the codes that keep outputs near those of the float model."""

import numpy as np
from keras import ops

from keras_alt.calibration.applying import arguments
from keras_alt.calibration.batches import ActivationStore
from keras_alt.calibration.descent import rounded
from keras_alt.calibration.float_model import FloatModel, changed_layers
from keras_alt.calibration.patches import (
    SAMPLED,
    grouped,
    sampled_inputs,
    sampled_outputs,
    ungrouped,
)
from keras_alt.graph import Call, Graph

POSITIONS = 20_000  # of a layer's output, at most
MOST_VALUES = 2**26  # of its inputs at these positions (256 MB)


def rounded_layers(graph: Graph) -> list:
    """Return the layers whose kernels are rounded."""
    layers = changed_layers(graph, SAMPLED)
    return [layer for layer in layers if layer.kernel_quantizer is not None]


class AdaptiveRounding:
    """Rounds the kernels of a quantized model during its walk.

    Args:
        graph: `Graph` of the quantized model.
        floats: the `FloatModel` behind it.
        batches: how many batches of data there are.
        centered: layers whose biases are corrected afterwards: means do not count.

    Attributes:
        layers: whose kernels are rounded.
    """

    def __init__(self, graph: Graph, floats: FloatModel, batches: int, centered=frozenset()):
        self.layers = floats.keep(rounded_layers(graph), self._samples)
        self.centered = centered
        self.count = batches
        self._floats = floats

    def round(self, call: Call, store: ActivationStore):
        """Give the kernel of a layer the values of its codes."""
        layer, quantizer = call.layer, call.layer.kernel_quantizer
        shapes, y = self._floats.take(layer, self._samples)
        most = self._positions(layer)
        x = [
            sampled_inputs(layer, arguments(call, store, batch)[0][0], shape, most, batch)
            for batch, shape in enumerate(shapes)
        ]
        x = np.concatenate(x, axis=1)
        if layer.use_bias and layer not in self.centered:
            bias = ops.convert_to_numpy(layer.bias)
            y = y - bias.reshape(len(y), 1, -1)
        elif layer in self.centered:
            x, y = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
        kernel = grouped(layer, ops.convert_to_numpy(layer.constants()[0][1]))
        exponents = np.broadcast_to(quantizer.exponent, tuple(layer.kernel.shape))
        exponents = grouped(layer, exponents)[:, :1]  # those of a channel are the same
        values = rounded(kernel, exponents, quantizer.format, x, y)
        layer.kernels()["kernel"].assign(ungrouped(layer, values))

    def _samples(self, layer, values):
        """Return the shape of an output for each batch, and the values at sampled positions."""
        most = self._positions(layer)
        rows = [sampled_outputs(layer, v, most, batch) for batch, v in enumerate(values)]
        return [v.shape for v in values], np.concatenate(rows, axis=1)

    def _positions(self, layer):
        """Return how many positions of a batch are looked at."""
        groups, inputs, _ = grouped(layer, ops.convert_to_numpy(layer.kernel)).shape
        return max(1, min(POSITIONS, MOST_VALUES // (groups * inputs)) // self.count)
