"""Replacement of `TimeDistributed` by layers that compute all time steps at once."""

import keras
from keras import ops

from keras_alt.graph import Graph, call_and_fill, replaced, rewrite
from keras_alt.handlers import Handlers
from keras_alt.keras_internals import operation_behind, timestep_mask
from keras_alt.replacements import Replacements

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


def unwrap_time_distributed(model: keras.Model) -> keras.Model:
    """Turn `TimeDistributed(Dense(4))` into `Dense(4)`, and other layers likewise.

    Conv1D and its pools become Conv2D and pools of images, with a window of one time step. Global
    pools become operators. A layer that has no such form stays wrapped.
    """
    graph = Graph(model)
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


@DISTRIBUTED.handles(L.MaxPooling1D, L.AveragePooling1D)
def _pool(layer, name, shape):
    pools = {L.MaxPooling1D: L.MaxPooling2D, L.AveragePooling1D: L.AveragePooling2D}
    config = _of_images(layer, "pool_size", "strides")
    return replaced(layer, pools[type(layer)], **config, name=name)


@DISTRIBUTED.handles(L.Conv1D)
def _conv(layer, name, shape):
    if layer.padding == "causal" or layer.kernel_constraint is not None:
        return None
    config = _of_images(layer, "kernel_size", "strides", "dilation_rate")
    return replaced(layer, L.Conv2D, **config, name=name)


def _of_images(layer, *arguments):
    """Return arguments of a layer for lines as those of a layer for images of one time step."""
    return {argument: (1, *_tuple(getattr(layer, argument))) for argument in arguments}


def _tuple(size):
    return tuple(size) if isinstance(size, (list, tuple)) else (size,)
