"""Inlining of nested and subclassed models."""

import inspect
import itertools

import keras
from keras import tree

from keras_alt.graph import Call, Graph, Replay, deep_recursion, rewrite
from keras_alt.keras_internals import (
    build_shapes,
    functional_inside,
    has_graph,
    lambda_output_shape,
    nested_layers,
    own_variables,
    sublayers,
    trusted_configurations,
)
from keras_alt.replacements import free_name, numbered

LOOKUPS = (keras.layers.IntegerLookup, keras.layers.StringLookup)
APPLICATIONS = "keras.src.applications."  # its own layers compute no more than operators do


def inline(model: keras.Model) -> keras.Model:
    """Return a flat functional copy of `model` with weights of its own.

    Nested models are replaced by their layers. Subclassed models and composite layers are traced
    through `call`. A layer that cannot be traced, or has weights outside its sublayers, stays one
    layer. A layer that is called several times stays one layer, also inside a nested model that is
    called several times.

    Args:
        model: built `keras.Model` of any kind; not changed.

    Raises:
        ValueError: the model was never built, or has weights that belong to no layer.
    """
    copies = _Copies()
    flat = rewrite(Graph(_functional(model)), lambda call, new: _inlined(call, new, copies, ""))
    flat.name = model.name  # the graph inside a Sequential has a name by a counter
    return flat


def _inlined(call: Call, new: Replay, copies, prefix):
    inner = _graph_inside(call)
    if inner is None:
        return copies.call(call, new, prefix)
    outer = [tensor for tensor in call.inputs if tensor not in _masks(call)]
    values = Replay(dict(zip(inner.inputs, new(outer), strict=True)))
    for inner_call in inner.calls:
        outputs = _inlined(inner_call, values, copies, f"{prefix}{call.layer.name}_")
        values.record(inner_call, outputs)
    return values(inner.model.output)


class _Copies:
    """Makes one copy of each layer, under a unique name."""

    def __init__(self):
        self._copies = {}
        self._names = set()

    def call(self, call, new, prefix):
        layer = call.layer
        _refuse_variables(call)
        arguments = {k: v for k, v in call.kwargs.items() if k != "training" or v is not None}
        is_new = id(layer) not in self._copies
        if is_new:
            self._copies[id(layer)] = _copy(layer, self._unique(layer.name, prefix))
        copy = self._copies[id(layer)]
        outputs = copy(*new(call.args), **new(arguments))
        # A copied model is built before its first call, so `call_and_fill` would skip it.
        if is_new and isinstance(layer, keras.layers.Layer) and layer.weights:
            _take_weights(copy, layer)
        return outputs

    def _unique(self, name, prefix):
        longer = f"{prefix}{name}"
        candidates = itertools.chain((name, longer), numbered(longer))
        return free_name(candidates, self._names)


def _refuse_variables(call):
    for value in tree.flatten((call.args, call.kwargs)):
        if isinstance(value, keras.Variable):
            raise ValueError(
                "Weights are copied with their layers, so every weight must belong to a layer: "
                "move it into a layer that creates it by `add_weight`. "
                f"Received: {call.layer.name} of variable '{value.path}'"
            )


def _masks(call):
    """Return the masks that Keras passes to a call. Keras computes them again in the new graph."""
    return [t for t in tree.flatten(call.kwargs.get("mask")) if isinstance(t, keras.KerasTensor)]


def _owns_weights(layer):
    """Return whether a layer has weights outside its sublayers."""
    return bool(own_variables(layer))


def _copy(layer, name):
    try:
        copy = _rebuilt(layer, name)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            "Every layer is copied by its configuration: define `get_config` so that `from_config` "
            f"takes it. Received: layer '{layer.name}' of type {type(layer).__name__}, of which "
            f"Keras says: {error}"
        ) from error
    if copy.name != name:
        copy.name = name
    return copy


def _take_weights(copy, layer):
    copy.set_weights(layer.get_weights())
    for inner in nested_layers(copy):
        if isinstance(inner, keras.layers.Normalization):
            inner.finalize_state()  # it computes with tensors that are made from its weights


def _rebuilt(layer, name):
    if type(layer) is keras.layers.Lambda:
        # A function in a configuration loses the names that it uses.
        return keras.layers.Lambda(
            layer.function,
            output_shape=lambda_output_shape(layer),
            mask=layer.mask,
            arguments=layer.arguments,
            trainable=layer.trainable,
            dtype=layer.dtype_policy,
            name=name,
        )
    config = {**layer.get_config(), **_vocabulary(layer)}
    with trusted_configurations():  # they do not come from a file
        return type(layer).from_config({**config, "name": name} if "name" in config else config)


def _vocabulary(layer):
    """Return the entry of a configuration that Keras leaves out: the words of an adapted layer."""
    if not isinstance(layer, LOOKUPS) or layer.output_mode == "tf_idf":
        return {}
    return {"vocabulary": layer.get_vocabulary(include_special_tokens=False)}


def _graph_inside(call):
    """Return the graph inside a called model or composite layer, None if it stays one layer."""
    layer = call.layer
    if isinstance(layer, keras.layers.Layer) and _owns_weights(layer):
        return None
    if isinstance(layer, keras.Model):
        try:
            return Graph(_functional(layer))
        except (TypeError, ValueError, NotImplementedError, AttributeError):
            return None
    if not isinstance(layer, keras.layers.Layer) or _masks(call) or not _may_be_traced(layer):
        return None
    try:
        return Graph(_traced(layer, call.inputs, layer.call, call))
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return None


def _may_be_traced(layer):
    """Return whether a layer is nothing but other layers and operators."""
    module = type(layer).__module__
    if module.startswith(APPLICATIONS):
        return not layer.weights
    return bool(sublayers(layer)) and not module.startswith(("keras.", "keras_alt."))


def _functional(model):
    if isinstance(model, keras.Sequential):
        if model.built and functional_inside(model) is not None:
            return functional_inside(model)
    elif has_graph(model):
        return model
    elif model.built:
        return _traced(model, _recorded_inputs(model), model.call)
    raise ValueError(
        f"Model '{model.name}' has no graph yet because it was never called: call it once on data, "
        f"`model(x)`, or give it an `Input`. Received: model={model}"
    )


def _recorded_inputs(model):
    shapes = build_shapes(model)
    leaves = [shape for shape in shapes.values() if shape is not None]
    if len(leaves) != 1:
        raise ValueError(
            f"A subclassed model must take its inputs in one argument to be traced. "
            f"Received: model '{model.name}' with inputs {sorted(shapes)}"
        )
    (shapes,) = leaves
    return _inputs_of(shapes)


def _inputs_of(shapes):
    """Return a `keras.Input` for each shape in a structure; the batch size is None."""
    if isinstance(shapes, dict):
        return {name: _inputs_of(shape) for name, shape in shapes.items()}
    if all(size is None or isinstance(size, int) for size in shapes):
        return keras.Input(batch_shape=(None, *shapes[1:]))
    return [_inputs_of(shape) for shape in shapes]


def _traced(layer, inputs, function, call=None):
    """Return a functional model of `function`, called on new inputs of the same shapes."""
    inputs = tree.map_structure(lambda t: keras.Input(batch_shape=t.shape, dtype=t.dtype), inputs)
    if call is None:
        args, kwargs = (inputs,), {}
    else:
        new = Replay(dict(zip(call.inputs, inputs, strict=True)))
        args, kwargs = new(call.args), new(call.kwargs)
    if "training" in inspect.signature(function).parameters:
        kwargs = {**kwargs, "training": None}
    with deep_recursion():
        return keras.Model(inputs, function(*args, **kwargs), name=layer.name)
