"""Adaptive rounding: kernels take the codes that keep outputs near those of the float model."""

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.applying import arguments
from keras_alt.calibration.batches import ActivationStore
from keras_alt.calibration.descent import rounded
from keras_alt.calibration.float_model import changed_layers, float_graph
from keras_alt.calibration.patches import (
    SAMPLED,
    grouped,
    sampled_inputs,
    sampled_outputs,
    ungrouped,
)
from keras_alt.calibration.values import values_of
from keras_alt.graph import Call, Graph

POSITIONS = 20_000  # of a layer's output, at most
MOST_VALUES = 2**26  # of its inputs at these positions (256 MB)


def rounded_layers(graph: Graph) -> list:
    """Return the layers whose kernels are rounded."""
    layers = changed_layers(graph, SAMPLED)
    return [layer for layer in layers if layer.kernel_quantizer is not None]


class AdaptiveRounding:
    """Rounds the kernels of a quantized model during its walk.

    The float model is walked beside it, layer by layer, so only what lies between both is kept.

    Args:
        model: from `keras_alt.quantize_model`.
        batches: from `keras_alt.calibration.batches.read_batches`.
        centered: names of layers whose biases are corrected afterwards: means do not count.

    Raises:
        ValueError: `model` has no record of the float model behind it.
    """

    def __init__(self, model: keras.Model, batches: list, centered=frozenset()):
        self.layers = {layer.name: layer for layer in rounded_layers(Graph(model))}
        self.centered = centered
        self.count = len(batches)
        graph = float_graph(model, "adaptive_rounding")
        self._names = {c.output: c.layer.name for c in graph.calls if c.layer.name in self.layers}
        self._values = values_of(graph, batches)
        self._passed = {}

    def round(self, call: Call, store: ActivationStore):
        """Give the kernel of a layer the values of its codes."""
        layer, quantizer = call.layer, call.layer.kernel_quantizer
        shapes, y = self._float_outputs(layer)
        most = self._positions(layer)
        x = [
            sampled_inputs(layer, arguments(call, store, batch)[0][0], shape, most, batch)
            for batch, shape in enumerate(shapes)
        ]
        x = np.concatenate(x, axis=1)
        if layer.use_bias and layer.name not in self.centered:
            bias = ops.convert_to_numpy(layer.bias)
            y = y - bias.reshape(len(y), 1, -1)
        elif layer.name in self.centered:
            x, y = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
        kernel = grouped(layer, ops.convert_to_numpy(layer.constants()[0][1]))
        values = rounded(kernel, quantizer.exponent, quantizer.format, x, y)
        layer.kernels()["kernel"].assign(ungrouped(layer, values))

    def _float_outputs(self, layer):
        """Walk the float model up to `layer`.

        Returns:
            The shape of its output for each batch, and the values at the sampled positions.
        """
        while layer.name not in self._passed:
            tensor, values = next(self._values)
            name = self._names.get(tensor)
            if name is not None:
                other = self.layers[name]
                most = self._positions(other)
                rows = [sampled_outputs(other, v, most, batch) for batch, v in enumerate(values)]
                self._passed[name] = [v.shape for v in values], np.concatenate(rows, axis=1)
        return self._passed.pop(layer.name)

    def _positions(self, layer):
        """Return how many positions of a batch are looked at."""
        groups, inputs, _ = grouped(layer, ops.convert_to_numpy(layer.kernel)).shape
        return max(1, min(POSITIONS, MOST_VALUES // (groups * inputs)) // self.count)
