"""Correction of biases: the mean of every kernel's output is that of the float model."""

import math

import keras
import numpy as np
from keras import ops, tree

from keras_alt.calibration.applying import apply
from keras_alt.calibration.batches import ActivationStore
from keras_alt.calibration.float_model import FloatModel, changed_layers
from keras_alt.calibration.workers import Workers
from keras_alt.graph import Call, Graph
from keras_alt.layers.channels import channel_axis
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import Quantizer
from keras_alt.unquantized import fused_relu


class BiasCorrection:
    """Corrects the biases of a quantized model during its walk.

    Rounding moves the mean of a kernel's output, most of all behind depthwise kernels, whose sums
    are short (Nagel et al., 2019, arXiv 1906.04721, section 4.2). Where only an addition reads the
    output, as in a residual block, the mean of the sum is restored instead. Errors of the other
    input, such as those of ties that are rounded up, would add up from block to block.

    Args:
        graph: `Graph` of the quantized model.
        floats: the `FloatModel` behind it.
        workers: who correct it together.

    Attributes:
        layers: whose biases are corrected.
    """

    def __init__(self, graph: Graph, floats: FloatModel, workers: Workers):
        self._floats, self._workers = floats, workers
        self.layers = floats.keep(corrected_layers(graph), self._channel_means)
        self._sums = {c.layer: _sum(graph, c) for c in graph.calls if c.layer in self.layers}
        floats.keep({s[0].layer for s in self._sums.values() if s is not None}, self._channel_means)

    def correct(self, call: Call, store: ActivationStore):
        """Give each channel of a kernel's output the mean that suits the float model."""
        layer = call.layer
        outputs = (tree.flatten(apply(call, store, batch))[0] for batch in range(store.count))
        layer.bias.assign_add(self._expected(layer, store) - self._channel_means(layer, outputs))

    def _expected(self, layer, store):
        """Return the means that the output should have."""
        own = self._floats.take(layer, self._channel_means)
        if self._sums[layer] is None:
            return own
        addition, others = self._sums[layer]
        for other in others:
            if store.holds(other):
                values = (store.get(batch, other) for batch in range(store.count))
                whole = self._floats.take(addition.layer, self._channel_means)
                return whole - self._channel_means(layer, values)
        return own  # the other input comes later

    def _channel_means(self, layer, values):
        """Return the mean of each output channel of a layer over all batches, float64."""
        rows = np.array([_channel_sums(layer, value) for value in values])
        contents = self._workers.gather(rows.tobytes())
        rows = np.concatenate([np.frombuffer(c).reshape(-1, rows.shape[1]) for c in contents])
        # Each sum is rounded once, so the order of the batches does not matter.
        *totals, count = map(math.fsum, rows.T)
        return np.array(totals) / count


def corrected_layers(graph: Graph) -> list:
    """Return the layers whose bias is corrected."""
    return [layer for layer in changed_layers(graph, QuantizedKernel) if layer.use_bias]


def _channel_sums(layer, value):
    """Return the sum of each output channel of a layer over a batch, and of how many values."""
    value = ops.convert_to_numpy(value)
    axis = channel_axis(layer) % value.ndim
    sums = value.sum(tuple(i for i in range(value.ndim) if i != axis), np.float64)
    return [*sums, value.size / value.shape[axis]]


def _sum(graph: Graph, call: Call):
    """Return the addition that alone reads what a kernel computes, and its other input.

    The other input is a list of tensors: as the addition reads it, and before each quantizer.
    Returns None if there is no such addition.
    """
    layer, tensor = call.layer, call.outputs[0]
    if layer.activation is not keras.activations.linear or channel_axis(layer) != -1:
        return None
    reader = graph.sole_reader(tensor)
    while reader is not None and isinstance(reader.layer, Quantizer) and not fused_relu(reader):
        tensor = reader.outputs[0]
        reader = graph.sole_reader(tensor)
    if reader is None or not isinstance(reader.layer, keras.layers.Add) or len(reader.inputs) != 2:
        return None
    others = [t for t in reader.inputs if t is not tensor]
    if others[0].shape != tensor.shape:
        return None
    while (producer := graph.producer.get(others[-1])) and isinstance(producer.layer, Quantizer):
        others.append(producer.inputs[0])
    return reader, others
