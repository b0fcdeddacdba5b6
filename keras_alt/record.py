"""The record of how a model was quantized. It is saved with the model."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Graph
from keras_alt.keras_internals import history


class CarriesRecord:
    """Mixin for a Keras layer that can store the record of its model in its configuration.

    A functional model saves only its layers, and `.h5` files cannot load a subclass of
    `keras.Model`. So the first quantized layer of a model stores the record. It survives `.keras`,
    `.h5` and `clone_model`.

    Args:
        record: JSON text of a `Record`, or None.
    """

    def __init__(self, *args, record: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.record = record

    def get_config(self):
        config = super().get_config()
        return config if self.record is None else {**config, "record": self.record}


@dataclass(frozen=True)
class Record:
    """How a model was quantized.

    Attributes:
        config: `QuantizeConfig` of the model.
        relus: `{tensor key: name}`, the names of the float ReLUs that quantizers compute. The key
            is that of the quantizer's output, from `tensor_keys`.
        layers: hash of the names of the model's layers. A model that was cut or extended has
            another one.
        outputs: names of the outputs of the float model.
    """

    config: QuantizeConfig
    relus: Mapping[str, str]
    layers: str
    outputs: Sequence[str] = ()

    @classmethod
    def of(cls, model: keras.Model, config: QuantizeConfig, relus: Mapping[str, str]) -> "Record":
        """Return the record of a quantized model."""
        return cls(config, relus, _layers_hash(model), list(model.output_names))

    def describes(self, model: keras.Model) -> bool:
        """Return whether `model` has the layers that it had when it was recorded."""
        return self.layers == _layers_hash(model)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Record":
        values = json.loads(text)
        return cls(**{**values, "config": QuantizeConfig(**values["config"])})


def attach(model: keras.Model, record: Record):
    """Store `record` in the first quantized layer of `model`, if there is one."""
    for carrier in _carriers(model)[:1]:
        carrier.record = record.to_json()


def record_of(model: keras.Model) -> Record | None:
    """Return the record of a quantized model, None if it has none."""
    texts = [carrier.record for carrier in _carriers(model) if carrier.record is not None]
    return Record.from_json(texts[0]) if texts else None


def _carriers(model):
    return [layer for layer in model.layers if isinstance(layer, CarriesRecord)]


def _layers_hash(model):
    names = sorted({call.layer.name for call in Graph(model).calls})
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def tensor_keys(graph: Graph) -> dict:
    """Return a key for each tensor of a graph. Saving, loading and cloning keep the keys.

    Returns:
        `{tensor: "<layer name>:<number of the call>:<number of the output>"}`.
    """
    nodes = {}
    for tensor in [*graph.inputs, *graph.producer]:
        operation, node, position = history(tensor)
        nodes.setdefault(operation.name, {}).setdefault(node, []).append((position, tensor))
    return {
        tensor: f"{name}:{rank}:{position}"
        for name, by_node in nodes.items()
        for rank, node in enumerate(sorted(by_node))
        for position, tensor in by_node[node]
    }
