"""Writes the calls of a float model as ONNX nodes, by a table of functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import keras
import numpy as np
from keras import tree

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.onnx_float.following import follow, follow_weights, own_weights
from keras_alt.engines.onnx_float.types import element_type, input_type, stored
from keras_alt.graph import Call, Graph, Replay
from keras_alt.handlers import Handlers
from keras_alt.operators import kind_of

FLOAT_LAYERS = Handlers()


def writes_float(*kinds: type | str) -> Callable:
    """Return a decorator that registers a function as the writer of float layers.

    The function is called as `(writer, call, *args, **kwargs)` for each call of such a layer:
    `writer` is a `FloatWriter`, and the arguments are those of the call, without `training` and
    without those that are None. It returns the name of the output, or a list of names.

    Args:
        *kinds: types of layers, without their subclasses, or class names of Keras' operators:
            `keras.ops.max` is the operator "Max" in a functional model, for instance.
    """
    return FLOAT_LAYERS.handles(*kinds)


def composes(*kinds: type | str) -> Callable:
    """Return a decorator that registers a function as the formula of float layers.

    The function is called as `(layer, *args, **kwargs)` with symbolic tensors, and returns
    what the layer computes in terms of `keras.ops`. The file gets the nodes of these operators.

    Args:
        *kinds: as for `writes_float`.
    """

    def register(formula):
        @writes_float(*kinds)
        def write(writer, call, *args, **kwargs):
            def typed(*args, **kwargs):
                results = tree.flatten(formula(call.layer, *args, **kwargs))
                return [_typed(r, t.dtype) for r, t in zip(results, call.outputs, strict=True)]

            return writer.composed(typed, *args, **kwargs)

        return formula

    return register


def _typed(tensor, dtype):
    return tensor if tensor.dtype == dtype else keras.ops.cast(tensor, dtype)


class FloatWriter:
    """Writes the calls of a float model as nodes of an ONNX graph, in Keras' order of axes.

    A layer that the table does not have is written by what its `call` computes, if it is made of
    `keras.ops` and other layers.

    Args:
        graph: the `GraphWriter` that gets the nodes.
        names: `{id of a tensor: name}` with the inputs. It gets the names of all other tensors.
        inputs: tensors that the file may hold in another type; see `input_type`.
    """

    def __init__(self, graph, names: dict[int, str], inputs=()):
        self.graph, self.names = graph, names
        self.types = {id(tensor): input_type(tensor) for tensor in inputs}
        self.symbols = []
        self.weights = {}  # `{(id of a variable, type): name}`, because layers may share one

    def write(self, model: keras.Model | keras.Function):
        """Write all calls of a model."""
        for call in Graph(model).calls:
            results = self.results(call)
            results = [results] if isinstance(results, str) else results
            self.names.update(zip(map(id, call.outputs), results, strict=True))

    def results(self, call: Call) -> str | list[str]:
        """Write one call; return the names of its outputs."""
        left_out = {k for k, v in call.kwargs.items() if v is None or k == "training"}
        kwargs = {k: v for k, v in call.kwargs.items() if k not in left_out}
        try:
            if write := FLOAT_LAYERS.get(kind_of(call.layer)):
                return write(self, call, *call.args, **kwargs)
            return self.followed(call, kwargs)
        except ExportError as error:
            if isinstance(call.layer, keras.Model):
                raise
            raise no_form(call, str(error).partition("Received: ")[2]) from error
        except Exception as error:  # what a layer's own code raises is not known
            reason = f"{type(error).__name__} ({str(error).strip().splitlines()[0][:120]})"
            raise no_form(call, f"{reason} of its `call`") from error

    def followed(self, call: Call, kwargs: dict) -> list[str]:
        """Write what `call` of a layer without an entry in the table is made of."""
        layer, args = call.layer, call.args
        if isinstance(kind_of(layer), str):
            raise no_form(call, f"operator {kind_of(layer)}")
        if "training" in inspect.signature(layer.call).parameters:
            kwargs = {**kwargs, "training": False}
        try:
            return self.composed(functools.partial(follow, layer), *args, **kwargs)
        except ExportError:
            raise
        except Exception:  # a layer's own code may refuse variables beside symbolic tensors
            if not (own := own_weights(layer)):
                raise
            weights = {
                name: self.symbol(weight.shape, weight.dtype, self.constant(weight))
                for name, weight in own.items()
            }
            function = functools.partial(follow_weights, layer)
            return self.composed(function, weights, *args, **kwargs)

    def symbol(self, shape, dtype, name: str) -> keras.KerasTensor:
        """Return a new symbolic tensor for a value that the graph has."""
        tensor = keras.KerasTensor(shape, dtype)
        self.symbols.append(tensor)  # another tensor must not get its id
        self.names[id(tensor)] = name
        return tensor

    def composed(self, function: Callable, *args, **kwargs) -> list[str]:
        """Write what a function computes from Keras' operators; return the names of its outputs.

        Args:
            function: returns symbolic tensors, in any structure.
            *args, **kwargs: arguments of the function; the symbolic tensors of this model among
                them are replaced by others of the same shape and type.
        """
        leaves = tree.flatten((args, kwargs))
        tensors = dict.fromkeys(leaf for leaf in leaves if is_tensor(leaf))
        inputs = {t: keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in tensors}
        new = Replay(dict(inputs))
        results = tree.flatten(function(*new(args), **new(kwargs)))
        inner = FloatWriter(self.graph, {id(new(t)): self.operand(t) for t in tensors})
        inner.weights = self.weights
        given = {id(tensor) for tensor in inputs.values()}
        if computed := [r for r in results if is_tensor(r) and id(r) not in given]:
            inner.write(keras.Function(list(inputs.values()), computed))
        return [
            inner.add("Identity", inner.operand(r)) if id(r) in given else inner.operand(r)
            for r in results
        ]

    def operand(self, value, dtype: str | None = None) -> str:
        """Return the name of a tensor or constant.

        Args:
            value: symbolic tensor, variable, array or number.
            dtype: type to cast to; by default, that of the value.
        """
        if not is_tensor(value):
            return self.constant(value, dtype)
        name, wanted = self.names[id(value)], stored(dtype or value.dtype)
        held = self.types.get(id(value), stored(value.dtype))
        return name if held == wanted else self.cast(name, wanted)

    def constant(self, value, dtype: str | None = None) -> str:
        """Add a variable, an array or a number; return its name."""
        key = id(value), dtype
        if key in self.weights:
            return self.weights[key]
        array = array_of(value)
        array = np.asarray(array, stored(dtype or array.dtype))
        name = self.graph.initializer(f"constant{len(self.graph.initializers)}", array)
        if isinstance(value, keras.Variable):
            self.weights[key] = name
        return name

    def add(self, kind: str, *inputs, **attributes) -> str:
        """Append a node with one output; return the name of the output.

        Args:
            kind: ONNX operator.
            *inputs: names, or arrays and lists of integers that become constants.
            **attributes: attributes of the node.
        """
        return self.graph.add(kind, self.named(inputs), **attributes)

    def several(self, kind: str, count: int, *inputs, **attributes) -> list[str]:
        """Append a node with several outputs; return their names."""
        from onnx import helper

        inputs = self.named(inputs)
        name = self.graph.fresh(kind, inputs)
        results = [f"{name}/{i}" for i in range(count)]
        self.graph.nodes.append(helper.make_node(kind, inputs, results, name=name, **attributes))
        return results

    def named(self, inputs) -> list[str]:
        """Return names of inputs; lists are shapes and axes."""
        return [
            value
            if isinstance(value, str)
            else self.graph.integers(value)
            if isinstance(value, (list, tuple))
            else self.constant(value)
            for value in inputs
        ]

    def cast(self, name: str, dtype: str) -> str:
        return self.add("Cast", name, to=element_type(dtype))

    def transposed(self, name: str, axes) -> str:
        if list(axes) == sorted(axes):
            return name
        return self.add("Transpose", name, perm=list(axes))

    def reduced(self, kind: str, name: str, axes, keepdims: bool) -> str:
        """Append a reduction: its axes are an input or an attribute, as the opset has it."""
        more, attributes = self.graph.axes(kind, list(axes))
        return self.add(kind, name, *more, keepdims=int(keepdims), **attributes)


def is_tensor(value) -> bool:
    """Return whether a value is a symbolic tensor."""
    return isinstance(value, keras.KerasTensor)


def array_of(value) -> np.ndarray:
    """Return a variable, an array or a number of any backend as an array."""
    array = np.asarray(keras.ops.convert_to_numpy(value))
    return array if "bfloat16" not in str(array.dtype) else array.astype(np.float32)


def no_form(call: Call, received: str) -> ExportError:
    """Return the error that a float layer cannot be written as it is."""
    return ExportError(
        f"Float layer '{call.layer.name}' of type {type(call.layer).__name__} has no ONNX form "
        "here: register a function by `keras_alt.engines.onnx_float.writes_float`, take the layer "
        f"off the model, or export with `to_litert`. Received: {received}"
    )
