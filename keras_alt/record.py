"""The record of how a model was quantized. It is saved with the model."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """

    config: QuantizeConfig
    relus: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps({"config": dataclasses.asdict(self.config), "relus": dict(self.relus)})

    @classmethod
    def from_json(cls, text: str) -> "Record":
        values = json.loads(text)
        return cls(QuantizeConfig(**values["config"]), values["relus"])


def attach(model: keras.Model, record: Record):
    """Store `record` in the first quantized layer of `model`, if there is one."""
    carriers = [layer for layer in model.layers if isinstance(layer, CarriesRecord)]
    if carriers:
        carriers[0].record = record.to_json()


def record_of(model: keras.Model) -> Record | None:
    """Return the record of a quantized model, None if it has none."""
    texts = [getattr(layer, "record", None) for layer in model.layers]
    text = next((text for text in texts if isinstance(text, str)), None)
    return None if text is None else Record.from_json(text)


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
