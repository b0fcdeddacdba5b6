"""Correction of biases: the mean of every kernel's output is that of the float model."""

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.float_model import changed_layers, float_graph
from keras_alt.calibration.values import values_of
from keras_alt.graph import Graph
from keras_alt.layers.channels import channel_axis
from keras_alt.layers.kernel import QuantizedKernel


def float_means(model: keras.Model, batches: list, verbose: bool = False) -> dict:
    """Return the mean of each channel that a layer of the float model computes, by layer name.

    Rounding moves the mean of a kernel's output, most of all behind depthwise kernels, whose sums
    are short (Nagel et al., 2019, arXiv 1906.04721, section 4.2).

    Args:
        model: from `keras_alt.quantize_model`.
        batches: from `keras_alt.calibration.batches.read_batches`.
        verbose: whether to show a progress bar.

    Raises:
        ValueError: `model` has no record of the float model behind it.
    """
    names = {layer.name for layer in corrected_layers(Graph(model))}
    plain = float_graph(model, "bias_correction")
    layers = {c.output: c.layer for c in plain.calls if c.layer.name in names}
    return {
        layers[tensor].name: channel_means(layers[tensor], values)
        for tensor, values in values_of(plain, batches, verbose)
        if tensor in layers
    }


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
