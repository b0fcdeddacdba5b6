"""Correction of biases: the mean of every kernel's output is that of the float model."""

import numpy as np
from keras import ops

from keras_alt.calibration.applying import apply
from keras_alt.calibration.batches import ActivationStore
from keras_alt.calibration.float_model import FloatModel, changed_layers
from keras_alt.graph import Call, Graph
from keras_alt.layers.channels import channel_axis
from keras_alt.layers.kernel import QuantizedKernel


class BiasCorrection:
    """Corrects the biases of a quantized model during its walk.

    Rounding moves the mean of a kernel's output, most of all behind depthwise kernels, whose sums
    are short (Nagel et al., 2019, arXiv 1906.04721, section 4.2).

    Args:
        graph: `Graph` of the quantized model.
        floats: the `FloatModel` behind it.

    Attributes:
        layers: whose biases are corrected.
    """

    def __init__(self, graph: Graph, floats: FloatModel):
        self.layers = floats.keep(corrected_layers(graph), channel_means)
        self._floats = floats

    def correct(self, call: Call, store: ActivationStore):
        """Give each channel of a kernel's output the mean that it has in the float model."""
        layer = call.layer
        outputs = (apply(call, store, batch) for batch in range(store.count))
        expected = self._floats.take(layer, channel_means)
        layer.bias.assign_add(expected - channel_means(layer, outputs))


def corrected_layers(graph: Graph) -> list:
    """Return the layers whose bias is corrected."""
    return [layer for layer in changed_layers(graph, QuantizedKernel) if layer.use_bias]


def channel_means(layer, values) -> np.ndarray:
    """Return the mean of each output channel of a layer over all batches, float64."""
    total = count = 0.0
    for value in values:
        value = ops.convert_to_numpy(value)
        axis = channel_axis(layer) % value.ndim
        total = total + value.sum(tuple(i for i in range(value.ndim) if i != axis), np.float64)
        count += value.size / value.shape[axis]
    return total / count
