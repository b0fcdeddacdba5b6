"""Replacement of `TimeDistributed` by layers that compute all time steps at once."""

import functools

import keras
from keras import ops

from keras_alt.graph import Graph, Replay, call_and_fill, functional, replaced, rewrite
from keras_alt.handlers import Handlers
from keras_alt.keras_internals import has_graph, operation_behind, timestep_mask
from keras_alt.replacements import Additions, Replacements

L = keras.layers
# `(layer, name, shape of the input) -> layer` that computes all time steps of a type of layer. It
# gives None if there is no such layer.
DISTRIBUTED = Handlers()
GLOBAL = {
    L.GlobalAveragePooling1D: ops.mean,
    L.GlobalAveragePooling2D: ops.mean,
    L.GlobalMaxPooling1D: ops.max,
    L.GlobalMaxPooling2D: ops.max,
}

# Layers that compute the same with one axis more.
WIDER = {
    L.Conv1D: L.Conv2D,
    L.Conv2D: L.Conv3D,
    L.MaxPooling1D: L.MaxPooling2D,
    L.MaxPooling2D: L.MaxPooling3D,
    L.AveragePooling1D: L.AveragePooling2D,
}


def unwrap_time_distributed(model: keras.Model) -> keras.Model:
    """Turn `TimeDistributed(Dense(4))` into `Dense(4)`, and other layers likewise.

    Conv1D, Conv2D and their pools get one axis more, with a window of one time step. Global pools
    become operators. A wrapped model becomes wrapped layers first. A layer that has no such form
    stays wrapped.
    """
    graph = Graph(_models_spread(model))
    wrapped = {call for call in graph.calls if _is_wrapped(call)}
    pools = {call for call in wrapped if type(call.layer.layer) in GLOBAL}
    layers = {call for call in wrapped - pools if _distributed(call, None) is not None}
    replacements = Replacements(graph, layers)

    def rule(call, new):
        x = new(call.inputs[0])
        if call in pools:
            return _pooled(call.layer, x)
        layer = replacements(call.layer, x.shape, lambda name: _distributed(call, name))
        return call_and_fill(layer, lambda built: _fill(built, call.layer), x)

    return rewrite(graph, rule, pools | layers)


def _models_spread(model):
    """Turn each wrapped model into a graph of wrapped layers and merges."""
    graph = Graph(model)
    found = {call: inner for call in graph.calls if (inner := _inner_graph(call)) is not None}
    additions = Additions(graph)

    def rule(call, new):
        inner = found[call]
        values = Replay({inner.inputs[0]: new(call.inputs[0])})
        for part in inner.calls:
            layer = part.layer
            if not _is_merge(layer):
                name = f"{call.layer.name}_{layer.name}"
                wrap = functools.partial(L.TimeDistributed, layer)
                layer = additions(
                    (call.layer, layer), name, lambda name, wrap=wrap: wrap(name=name)
                )
            values.record(part, layer(*values(part.args)))
        return values(inner.outputs[0])

    return _models_spread(rewrite(graph, rule, found)) if found else model


def _inner_graph(call):
    """Return the graph of a wrapped model that consists of layers and merges, or None."""
    if not _is_wrapped(call) or not isinstance(call.layer.layer, keras.Model):
        return None
    model = functional(call.layer.layer)
    if not has_graph(model) or len(model.inputs) > 1 or len(model.outputs) > 1:
        return None
    inner = Graph(model)
    plain = all(_is_merge(c.layer) or _reads_one(c) for c in inner.calls)
    return inner if plain else None


def _is_merge(layer):
    last = type(layer) is L.Concatenate and layer.axis == -1
    return last or type(layer) in (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum)


def _reads_one(call):
    return isinstance(call.layer, L.Layer) and len(call.args) == len(call.inputs) == 1


def _is_wrapped(call):
    if type(call.layer) is not L.TimeDistributed or len(call.inputs) > 1:
        return False
    inner = call.layer.layer
    channels_last = getattr(inner, "data_format", "channels_last") == "channels_last"
    return channels_last and timestep_mask(call.inputs[0]) is None


def _distributed(call, name):
    inner = call.layer.layer
    make = DISTRIBUTED.get(type(inner), lambda *_: None)
    return make(inner, name, call.inputs[0].shape)


def _fill(built, wrapper):
    weights = zip(wrapper.get_weights(), built.weights, strict=True)
    built.set_weights([values.reshape(variable.shape) for values, variable in weights])


def _pooled(wrapper, x):
    inner, space = wrapper.layer, tuple(range(2, len(x.shape) - 1))
    result = GLOBAL[type(inner)](x, axis=space, keepdims=inner.keepdims)
    operation_behind(result).name = wrapper.name
    return result


@DISTRIBUTED.handles(
    *(L.Dense, L.ReLU, L.LeakyReLU, L.ELU, L.Activation, L.Rescaling, L.Identity),
    *(L.Dropout, L.AlphaDropout, L.GaussianDropout, L.GaussianNoise),
)
def _same(layer, name, shape):
    """Return the layer itself, which computes each position alone."""
    return replaced(layer, type(layer), name=name)


@DISTRIBUTED.handles(L.BatchNormalization, L.Softmax)
def _same_axis(layer, name, shape):
    """Return the layer itself if its axis counts from the end."""
    counts_from_end = isinstance(layer.axis, int) and layer.axis < 0
    return replaced(layer, type(layer), name=name) if counts_from_end else None


@DISTRIBUTED.handles(L.Flatten, L.Reshape)
def _reshape(layer, name, shape):
    if None in shape[1:]:
        return None
    _, *target = layer.compute_output_shape((shape[0], *shape[2:]))
    return L.Reshape((shape[1], *target), name=name, dtype=layer.dtype_policy)


@DISTRIBUTED.handles(L.MaxPooling1D, L.AveragePooling1D, L.MaxPooling2D)
def _pool(layer, name, shape):
    config = _with_steps(layer, "pool_size", "strides")
    return replaced(layer, WIDER[type(layer)], **config, name=name)


@DISTRIBUTED.handles(L.Conv1D, L.Conv2D)
def _conv(layer, name, shape):
    if layer.padding == "causal" or layer.kernel_constraint is not None:
        return None
    config = _with_steps(layer, "kernel_size", "strides", "dilation_rate")
    return replaced(layer, WIDER[type(layer)], **config, name=name)


def _with_steps(layer, *arguments):
    """Return arguments of a layer as those of a layer with one axis more, of one time step."""
    return {argument: (1, *_tuple(getattr(layer, argument))) for argument in arguments}


def _tuple(size):
    return tuple(size) if isinstance(size, (list, tuple)) else (size,)
