"""A read-only view of a functional model's graph, and one function that rewrites it."""

import contextlib
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree

from keras_alt.keras_internals import functional_inside, nodes, operation_behind
from keras_alt.origin import require_keras3

_LIMIT = threading.Lock()
_WAITING: list[int] = []  # the limit before all blocks of `deep_recursion`, and those of each
ORIGIN = "_keras_alt_origin"  # attribute of layers that transforms made


@dataclass(frozen=True, eq=False)
class Call:
    """One application of a layer or operation.

    Attributes:
        layer: the `keras.layers.Layer` or `keras.Operation` that is called.
        args, kwargs: the arguments of the call, symbolic tensors included.
        inputs: the symbolic tensors among the arguments, in order.
        outputs: the symbolic tensors it returns.
    """

    layer: keras.Operation
    args: tuple
    kwargs: dict
    inputs: tuple
    outputs: tuple

    @property
    def output(self):
        """The only output of the call.

        Raises:
            ValueError: the call has several outputs.
        """
        (tensor,) = self.outputs
        return tensor


class Graph:
    """The calls of a functional model in topological order.

    Args:
        model: functional or Sequential `keras.Model`.

    Attributes:
        name: that of the model; Keras calls what is inside a Sequential otherwise.
        inputs, outputs: symbolic tensors of the model.
        calls: every `Call`, without the input layers.
        producer: `{tensor: Call}`, the call that computes each tensor. Inputs have no entry.
        readers: `{tensor: [Call, ...]}`, the calls that read each tensor. A call that reads a
            tensor twice is listed twice.
    """

    def __init__(self, model: keras.Model):
        self.name = model.name
        self.model = model = functional(model)
        self.inputs = list(model.inputs)
        self.outputs = list(model.outputs)
        self.calls = [_call(node) for node in nodes(model)]
        self.producer = {tensor: call for call in self.calls for tensor in call.outputs}
        self.readers = {tensor: [] for tensor in [*self.inputs, *self.producer]}
        for call in self.calls:
            for tensor in call.inputs:
                self.readers[tensor].append(call)

    def sole_reader(self, tensor) -> Call | None:
        """Return the only call that reads `tensor`.

        Returns None if the tensor has several readers or is an output of the model.
        """
        if tensor in set(self.outputs) or len(self.readers[tensor]) != 1:
            return None
        return self.readers[tensor][0]


class Replay:
    """Maps the tensors of the old graph to those of the new graph while it is built."""

    def __init__(self, tensors: dict):
        self._tensors = tensors

    def __call__(self, old):
        """Return `old`, a tensor or a structure, with each old tensor replaced by its new one."""
        return tree.map_structure(
            lambda leaf: self._tensors[leaf] if isinstance(leaf, keras.KerasTensor) else leaf, old
        )

    def record(self, call: Call, outputs):
        """Remember the new tensors that stand for the outputs of `call`."""
        self.update(zip(call.outputs, tree.flatten(outputs), strict=True))

    def update(self, tensors: Iterable[tuple]):
        """Remember `(old tensor, new tensor)` pairs."""
        self._tensors.update(tensors)


def rewrite(
    graph: Graph,
    rule: Callable[[Call, Replay], Any],
    calls: Collection[Call] | None = None,
    on_input: Callable[[Any, Any], Any] | None = None,
) -> keras.Model:
    """Return a new model that repeats `graph`, except for the calls that `rule` replaces.

    Layers that the rule does not replace are called again. The two models share them. If no call
    can be rewritten, the old model itself is returned.

    Args:
        graph: the `Graph` to repeat.
        rule: `(call, new) -> tensors`. It returns the new tensors that stand for the outputs of
            `call`, or None to repeat the call. `new` is a `Replay` from old tensors to new ones.
        calls: the calls that `rule` is applied to; all calls by default.
        on_input: `(input, new input) -> tensor`. The readers of the input get this tensor.

    Returns:
        Functional `keras.Model` with the name, the input structure and the names of the outputs of
        the old one.
    """
    calls = set(graph.calls if calls is None else calls)
    if not calls and on_input is None:
        return graph.model
    inputs = {tensor: _input_like(tensor) for tensor in graph.inputs}
    new = Replay(dict(inputs))
    if on_input is not None:
        new = Replay({old: on_input(old, tensor) for old, tensor in inputs.items()})
    for call in graph.calls:
        outputs = rule(call, new) if call in calls else None
        if outputs is None:
            outputs = repeat(call, new)
        new.record(call, outputs)
    model = graph.model
    with deep_recursion():
        result = keras.Model(
            tree.map_structure(inputs.__getitem__, model.input),
            new(model.output),
            name=graph.name,
        )
    result.output_names = list(model.output_names)
    return result


def cut(graph: Graph, inputs: Sequence, outputs: Sequence) -> keras.Model:
    """Return a model of the calls between tensors of a graph. It shares their layers.

    Args:
        graph: the `Graph` to cut.
        inputs: tensors whose values the new model takes, in this order.
        outputs: tensors whose values it gives, in this order. Each must follow from `inputs`.
    """
    replaced = {t: keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in inputs}
    wanted, calls = set(outputs) - set(inputs), []
    for call in reversed(graph.calls):
        if any(tensor in wanted for tensor in call.outputs):
            calls.append(call)
            wanted.update(tensor for tensor in call.inputs if tensor not in replaced)
    new = Replay(dict(replaced))
    for call in reversed(calls):
        results = tree.flatten(repeat(call, new))
        kept = (t for t in zip(call.outputs, results, strict=True) if t[0] not in replaced)
        new.update(kept)
    with deep_recursion():
        return keras.Model(list(replaced.values()), [new(tensor) for tensor in outputs])


@contextlib.contextmanager
def deep_recursion(limit: int = 20_000):
    """Raise Python's recursion limit for deep models: Keras recurses once for each layer."""
    # The limit is one for all threads: the last that is done sets back what the first has found.
    with _LIMIT:
        if not _WAITING:
            _WAITING.append(sys.getrecursionlimit())
        _WAITING.append(limit)
        sys.setrecursionlimit(max(_WAITING))
    try:
        yield
    finally:
        with _LIMIT:
            _WAITING.remove(limit)
            if len(_WAITING) == 1:
                sys.setrecursionlimit(_WAITING.pop())


def functional(model: keras.Model) -> keras.Model:
    """Return the functional model inside a Sequential model; return other models as they are.

    Raises:
        TypeError: the model belongs to tf_keras, not to Keras 3.
    """
    require_keras3(model)
    return functional_inside(model) if isinstance(model, keras.Sequential) else model


def repeat(call: Call, new: Replay, layer: keras.Operation | None = None):
    """Call `layer` on the new tensors of `call`. The default is the layer of `call`."""
    return (layer or call.layer)(*new(call.args), **new(call.kwargs))


def replaced(layer: keras.layers.Layer, cls: type, **changes) -> keras.layers.Layer:
    """Return an unbuilt `cls` with the configuration of `layer`, updated by `changes`."""
    return made_from(layer, cls.from_config({**layer.get_config(), **changes}))


def made_from(old: keras.Operation, new: keras.Operation) -> keras.Operation:
    """Return `new`, which a transform made from `old`: the two have one `origin_of`."""
    setattr(new, ORIGIN, origin_of(old))
    return new


def origin_of(layer: keras.Operation) -> str:
    """Return the name of the layer that transforms made `layer` from; by default its own name."""
    return getattr(layer, ORIGIN, layer.name)


def call_and_fill(
    layer: keras.layers.Layer, fill: Callable[[keras.layers.Layer], None], *args, **kwargs
):
    """Call `layer`, and set its weights by `fill` if this call builds it.

    A layer has no weights before its first call. Later calls must not set them again.

    Args:
        layer: layer to call.
        fill: `(layer) -> None`, sets the weights of the built layer.
        *args, **kwargs: arguments of the call.

    Returns:
        The outputs of the call.
    """
    is_new = not layer.built
    outputs = layer(*args, **kwargs)
    if is_new:
        fill(layer)
    return outputs


def weights_from(original: keras.layers.Layer) -> Callable[[keras.layers.Layer], None]:
    """Return a function that copies the weights of `original` to a layer, for `call_and_fill`."""

    def fill(layer):
        if original.weights:
            layer.set_weights(original.get_weights())

    return fill


def _call(node):
    arguments = node.arguments
    return Call(
        node.operation,
        arguments.args,
        arguments.kwargs,
        tuple(arguments.keras_tensors),
        tuple(node.outputs),
    )


def _input_like(tensor):
    layer = operation_behind(tensor)
    if isinstance(layer, keras.layers.InputLayer):
        return keras.layers.InputLayer.from_config(layer.get_config()).output
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
