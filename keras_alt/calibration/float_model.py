"""The float model that a quantized model is compared with in its calibration."""

from collections.abc import Callable, Iterable

import keras

from keras_alt.calibration.values import values_of
from keras_alt.graph import Graph, functional
from keras_alt.record import record_of
from keras_alt.unquantized import unquantized


class FloatModel:
    """The float model behind a quantized one, walked beside it.

    Both are walked layer by layer, so only what lies between the two walks is kept.

    Args:
        model: from `keras_alt.quantize_model`.
        batches: from `keras_alt.calibration.batches.read_batches`.
        argument: of `keras_alt.calibrate`, which needs it; for the error.

    Raises:
        ValueError: `model` has no record of the float model behind it.
    """

    def __init__(self, model: keras.Model, batches: list, argument: str):
        record = record_of(model)
        if record is None:
            raise ValueError(
                f"`{argument}` compares a model with the float model behind it, so it expects one "
                f"from `keras_alt.quantize_model`. Received: model '{model.name}', written by hand"
            )
        graph = Graph(unquantized(Graph(functional(model)), record.relus))
        self._outputs = {c.layer.name: c.output for c in graph.calls if len(c.outputs) == 1}
        self._values = values_of(graph, batches)
        self._wanted, self._found = {}, {}

    def keep(self, layers: Iterable[keras.layers.Layer], summary: Callable) -> set:
        """Keep `summary(layer, values)` of what some layers compute, for `take`.

        Args:
            layers: layers of the quantized model. Those of the float model have their names.
            summary: function of a layer and of its output for each batch.

        Returns:
            The layers that the float model has.
        """
        kept = {layer for layer in layers if layer.name in self._outputs}
        for layer in kept:
            self._wanted.setdefault(self._outputs[layer.name], []).append((layer, summary))
        return kept

    def take(self, layer: keras.layers.Layer, summary: Callable):
        """Return what was kept of a layer, and forget it. The float model is walked that far."""
        while (layer, summary) not in self._found:
            tensor, values = next(self._values)
            for key in self._wanted.get(tensor, ()):
                self._found[key] = key[1](key[0], values)
        return self._found.pop((layer, summary))


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
