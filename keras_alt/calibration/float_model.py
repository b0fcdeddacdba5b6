"""The float model that a quantized model is compared with in its calibration."""

import keras

from keras_alt.graph import Graph, functional
from keras_alt.record import record_of
from keras_alt.unquantized import unquantized


def float_graph(model: keras.Model, argument: str) -> Graph:
    """Return the graph of the float model behind a quantized one.

    Args:
        model: from `keras_alt.quantize_model`.
        argument: of `keras_alt.calibrate`, which needs it; for the error.

    Raises:
        ValueError: `model` has no record of the float model behind it.
    """
    record = record_of(model)
    if record is None:
        raise ValueError(
            f"`{argument}` compares a model with the float model behind it, so it expects one "
            f"from `keras_alt.quantize_model`. Received: model '{model.name}', written by hand"
        )
    return Graph(unquantized(Graph(functional(model)), record.relus))


def changed_layers(graph: Graph, kinds: type | tuple[type, ...]) -> list:
    """Return the layers of some kinds whose weights calibration may change.

    Those that are called several times, that are frozen or that fold a batch norm in training stay.
    """
    layers = [call.layer for call in graph.calls if isinstance(call.layer, kinds)]
    return [
        layer
        for layer in layers
        if layer.trainable and layer.batch_norm is None and layers.count(layer) == 1
    ]
