"""The graph of a tf_keras model."""

from dataclasses import dataclass
from typing import Any

from keras_alt import keras_internals
from keras_alt.keras_internals import is_symbolic


@dataclass(frozen=True, eq=False)
class Node:
    """One call of a tf_keras layer: its arguments, including inputs, and its flat outputs."""

    layer: Any
    args: tuple
    kwargs: dict
    outputs: tuple


class Values:
    """Maps the symbolic tensors of a tf_keras graph to values."""

    def __init__(self, tensors, values):
        self._values = {id(t): v for t, v in zip(tensors, values, strict=True)}

    def __call__(self, structure):
        """Return `structure` with each symbolic tensor replaced by its value."""
        if is_symbolic(structure):
            return self._values[id(structure)]
        if isinstance(structure, dict):
            return {key: self(item) for key, item in structure.items()}
        if isinstance(structure, (list, tuple)):
            return type(structure)(map(self, structure))
        return structure

    def record(self, node: Node, outputs):
        """Remember the outputs of a call."""
        for tensor, value in zip(node.outputs, flat(outputs), strict=True):
            self._values[id(tensor)] = value

    def forget(self, tensor):
        """Drop the value of `tensor`, if there is one."""
        self._values.pop(id(tensor), None)


def nodes(model) -> list[Node]:
    """Return the calls of a functional or Sequential tf_keras model in order, without its inputs.

    Raises:
        ValueError: the model has no graph.
    """
    if not getattr(model, "_is_graph_network", False):
        raise ValueError(
            f"Model '{model.name}' must be functional or Sequential with a known input shape: give "
            "it an `Input`, or rebuild a subclassed model as a functional one. "
            f"Received: model={model!r} (of type {type(model).__name__})"
        )
    return [
        Node(node.layer, tuple(node.call_args), dict(node.call_kwargs), tuple(flat(node.outputs)))
        for node in keras_internals.nodes(model)
    ]


def keras3_name(name: str) -> str:
    """Return the Keras 3 name of a tf_keras layer or tensor; it has no slashes."""
    return name.split(":")[0].replace("/", "_")


def options(kwargs: dict) -> dict:
    """Return the arguments that are not None, because tf_keras spells out None defaults."""
    return {key: value for key, value in kwargs.items() if value is not None}


def flat(structure) -> list:
    """Return the leaves of lists, tuples and dictionaries, by sorted keys as in tf_keras."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in flat(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in flat(item)]
    return [structure]
