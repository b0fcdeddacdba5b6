"""A model with open sizes as one with inputs of fixed shapes."""

from collections.abc import Mapping, Sequence

import keras

from keras_alt.graph import Graph, Replay, deep_recursion, repeat
from keras_alt.keras_internals import operation_behind

Shape = Sequence[int]


def with_input_shape(
    model: keras.Model, shape: Shape | Sequence[Shape] | Mapping[str, Shape] | None
) -> keras.Model:
    """Return `model` with inputs of fixed shapes. Both models share their layers.

    Args:
        model: functional model.
        shape: shape of the only input, without the batch; or one for each input, in a list or by
            name. None returns `model`.

    Raises:
        ValueError: `shape` has an open size, or is none of the shapes that the model takes.
    """
    if shape is None:
        return model
    graph = Graph(model)
    shapes = _listed(graph, shape)
    for tensor, size in zip(graph.inputs, shapes, strict=True):
        _require_fit(tensor, size)
    inputs = {t: _input(t, size) for t, size in zip(graph.inputs, shapes, strict=True)}
    new = Replay(dict(inputs))
    for call in graph.calls:
        new.record(call, repeat(call, new))
    structure = keras.tree.map_structure(inputs.__getitem__, graph.model.input)
    with deep_recursion():
        return keras.Model(structure, new(graph.model.output), name=graph.model.name)


def has_open_sizes(model: keras.Model) -> bool:
    """Return whether a size of an input, other than the batch, is open."""
    return any(None in tensor.shape[1:] for tensor in model.inputs)


def _listed(graph, shape):
    names = [tensor.name for tensor in graph.inputs]
    if isinstance(shape, Mapping):
        if set(shape) != set(names):
            raise ValueError(
                f"`input_shape` must have the keys {', '.join(names)}. "
                f"Received: input_shape={dict(shape)}"
            )
        return [tuple(shape[name]) for name in names]
    if all(isinstance(size, int) for size in shape):
        shape = [shape]
    if len(shape) != len(names) or any(isinstance(size, int) or size is None for size in shape):
        raise ValueError(
            "`input_shape` must be a shape without the batch and without open sizes, one for each "
            f"of the inputs {', '.join(names)}. Received: input_shape={shape}"
        )
    return [tuple(size) for size in shape]


def _require_fit(tensor, size):
    expected = tensor.shape[1:]
    if len(size) != len(expected) or not all(
        isinstance(n, int) and e in (None, n) for e, n in zip(expected, size, strict=True)
    ):
        raise ValueError(
            f"`input_shape` of '{tensor.name}' must fit the shape {expected} of the model, without "
            f"open sizes. Received: input_shape={size}"
        )


def _input(tensor, size):
    batch_shape = (tensor.shape[0], *size)
    layer = operation_behind(tensor)
    if isinstance(layer, keras.layers.InputLayer):
        config = {**layer.get_config(), "batch_shape": batch_shape}
        return keras.layers.InputLayer.from_config(config).output
    return keras.Input(batch_shape=batch_shape, dtype=tensor.dtype, name=tensor.name)
