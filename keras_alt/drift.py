"""How far a quantized model is from the float model behind it, layer by layer."""

import math
from collections import Counter

import keras
import numpy as np
from keras import ops, tree

from keras_alt.calibration.batches import read_batches
from keras_alt.graph import Graph, deep_recursion
from keras_alt.quantizer import Quantizer, owner_of
from keras_alt.record import record_of
from keras_alt.unquantized import unquantized

BATCH = 8  # samples; all layers of both models are held at once


def drift(graph: Graph, data, samples: int) -> dict[Quantizer, float | None]:
    """Return the SQNR of each quantized output against that of the float model, in dB.

    The float model has the weights of the quantized one, so the difference is what all quantizers
    up to there add.

    Args:
        graph: `Graph` of a quantized model.
        data: as for `keras_alt.calibrate`.
        samples: number of samples of `data` to read.

    Returns:
        `{quantizer: dB}` for nodes that quantize the output of one layer. Empty for a model that
        has no record of its float model, or was changed since, or is not calibrated.
    """
    record = record_of(graph.model)
    if record is None or not record.describes(graph.model):
        return {}
    pairs = list(_pairs(graph, Graph(unquantized(graph, record.relus))))
    if not pairs or not all(call.layer.calibrated for call, _, _ in pairs):
        return {}
    calls, inputs, tensors = zip(*pairs, strict=True)
    with deep_recursion():
        rounded = keras.Model(graph.inputs, [call.outputs[0] for call in calls])
        plain = keras.Model(inputs[0], list(tensors))
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    for arrays in read_batches(graph.model, data, samples, BATCH):
        outputs = (tree.flatten(model(arrays, training=False)) for model in (plain, rounded))
        for number, both in enumerate(zip(*outputs, strict=True)):
            exact, found = (np.float64(ops.convert_to_numpy(values)) for values in both)
            signal[number] += np.square(exact).sum()
            noise[number] += np.square(found - exact).sum()
    return {
        call.layer: _decibels(*sums)
        for call, sums in zip(calls, zip(signal, noise, strict=True), strict=True)
    }


def _pairs(graph, floats):
    """Yield the call of a quantizer, the inputs of the float model and the tensor to compare."""
    called = Counter(call.layer for call in floats.calls)
    outputs = {
        call.layer.name: call.output
        for call in floats.calls
        if called[call.layer] == len(call.outputs) == 1
    }
    calls = [call for call in graph.calls if isinstance(call.layer, Quantizer)]
    times = Counter(call.layer for call in calls)
    for call in calls:
        tensor = outputs.get(owner_of(call.layer))
        if tensor is not None and times[call.layer] == 1:
            yield call, floats.inputs, tensor


def _decibels(signal, noise):
    if not signal:
        return None
    return math.inf if not noise else 10.0 * math.log10(signal / noise)
