"""The threshold under which whole numbers are their own codes."""

import math
from collections.abc import Iterable

import keras
import numpy as np

from keras_alt.formats import FixedPoint
from keras_alt.graph import Call, Graph

L = keras.layers


def whole_number_threshold(
    graph: Graph, call: Call, format: FixedPoint, batches: Iterable[np.ndarray]
) -> float | None:
    """Return the threshold at which each whole number of the input is its code, None without.

    Bytes keep all their bits then, and pictures that are brighter than those of the calibration
    still fit.

    Args:
        graph: `Graph` that `call` belongs to.
        call: call of a quantizer.
        format: format of the quantizer. Only unsigned codes are whole numbers here.
        batches: values that the quantizer rounds.
    """
    unit = None if format.signed else _unit(graph, call.inputs[0])
    if unit is None:
        return None
    for values in batches:
        codes = np.asarray(values, np.float64) / unit
        if not (np.array_equal(codes, np.rint(codes)) and _fit(codes, format)):
            return None
    return unit * format.levels


def _fit(codes, format):
    return codes.size == 0 or (codes.min() >= format.qmin and codes.max() <= format.qmax)


def _unit(graph, tensor):
    """Return what one of an input is worth at `tensor`, None if it is no power of two."""
    call = graph.producer.get(tensor)
    if call is None:
        return 1.0
    layer = call.layer
    if type(layer) is not L.Rescaling or call.inputs[0] in graph.producer:
        return None
    if np.ndim(layer.scale) or np.ndim(layer.offset) or layer.offset != 0.0 or layer.scale <= 0:
        return None
    return float(layer.scale) if math.frexp(layer.scale)[0] == 0.5 else None
