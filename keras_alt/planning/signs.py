"""Whether float layers in front of the quantizers can give negative values."""

import keras
import numpy as np

from keras_alt.activations import is_never_negative
from keras_alt.graph import Graph

L = keras.layers


def may_be_negative(graph: Graph, tensor) -> bool:
    """Return whether a tensor can be negative though no input of the model is.

    Args:
        graph: `Graph` of the model.
        tensor: an input of the model, or an output of float layers.
    """
    call = graph.producer.get(tensor)
    if call is None:
        return False
    if is_never_negative(call.layer):
        return False
    if not _keeps_the_sign(call.layer):
        return True
    return any(may_be_negative(graph, operand) for operand in call.inputs)


def _keeps_the_sign(layer):
    if type(layer) is L.Rescaling:
        return bool(np.all(np.array(layer.scale) >= 0) and np.all(np.array(layer.offset) >= 0))
    if type(layer) is L.Resizing:  # others overshoot
        return layer.interpolation in ("nearest", "bilinear", "area")
    return type(layer) is L.CenterCrop
