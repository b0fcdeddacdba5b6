"""Replacement of factors and offsets of channels by batch norms, which are then folded."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, rewrite
from keras_alt.keras_internals import is_layer_scale
from keras_alt.operators import is_kernel, is_operator
from keras_alt.replacements import Replacements

L = keras.layers
EPSILON = 2.0**-10  # so that variance and epsilon add up to exactly 1
OPERATORS = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")


def channel_scale_to_batch_norm(model: keras.Model) -> keras.Model:
    """Turn `LayerScale`, and what scales channels between kernels, into batch norms.

    These are `x * vector`, `x + vector` and `Normalization`. The norms never use batch statistics.
    A vector has one number for each position of one axis. In
    front of the first kernel, it prepares the input; behind the last, it shapes the output. Both
    stay.
    """
    graph = Graph(model)
    between = between_kernels(graph)
    found = {call: affine for call in graph.calls if (affine := _affine(call, call in between))}
    norms = Replacements(graph, found)

    def rule(call, new):
        axis, factor, offset = found[call]

        def make(name):
            return L.BatchNormalization(
                axis=axis,
                epsilon=EPSILON,
                trainable=bool(getattr(call.layer, "weights", ())) and call.layer.trainable,
                name=name,
            )

        def fill(norm):
            size = call.inputs[0].shape[axis]
            values = (factor, offset, 0.0, 1.0 - EPSILON)
            norm.set_weights([np.broadcast_to(value, (size,)) for value in values])

        norm = norms(call.layer, axis, make)
        return call_and_fill(norm, fill, new(call.inputs[0]), training=False)

    return rewrite(graph, rule, found)


def between_kernels(graph: Graph) -> set[Call]:
    """Return the calls with a kernel in front of them and one behind."""
    behind, ahead, before, after = set(), set(), set(), set()
    for call in graph.calls:
        if not behind.isdisjoint(call.inputs):
            before.add(call)
        if call in before or is_kernel(call):
            behind.update(call.outputs)
    for call in reversed(graph.calls):
        if not ahead.isdisjoint(call.outputs):
            after.add(call)
        if call in after or is_kernel(call):
            ahead.update(call.inputs)
    return before & after


def _affine(call: Call, is_between_kernels: bool):
    """Return the axis, the factor and the offset of a call, or None."""
    if is_layer_scale(call.layer):
        return -1, ops.convert_to_numpy(call.layer.gamma), 0.0
    if type(call.layer) is L.Normalization:
        return _normalization(call) if is_between_kernels else None
    is_vector = is_operator(call.layer, *OPERATORS) and len(call.inputs) == 1
    if not (is_between_kernels and is_vector and len(call.args) == 2):
        return None
    constant_first = not isinstance(call.args[0], keras.KerasTensor)
    constant = call.args[0 if constant_first else 1]
    if isinstance(constant, (int, float, keras.Variable)) or call.kwargs:
        return None
    values = ops.convert_to_numpy(constant)
    axis = _axis_of(values, call.inputs[0].shape)
    if axis is None or call.output.shape != call.inputs[0].shape:
        return None
    values = values.reshape(-1)
    kind = type(call.layer).__name__
    if kind == "Add":
        return axis, 1.0, values
    if kind == "Subtract":
        return (axis, -1.0, values) if constant_first else (axis, 1.0, -values)
    if kind == "Multiply":
        return axis, values, 0.0
    return None if constant_first else (axis, 1.0 / values, 0.0)


def _normalization(call: Call):
    """Return the axis, the factor and the offset of a `Normalization` over one axis or none."""
    layer = call.layer
    if len(layer.axis) > 1:
        return None
    axis = layer.axis[0] if layer.axis else -1
    mean, variance = (
        ops.convert_to_numpy(value).astype(np.float64).reshape(-1)
        for value in (layer.mean, layer.variance)
    )
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return (axis, deviation, mean) if layer.invert else (axis, 1 / deviation, -mean / deviation)


def _axis_of(values, shape) -> int | None:
    """Return the only axis of a tensor along which broadcast values differ, or None."""
    if values.ndim > len(shape):
        return None
    whole = [1] * (len(shape) - values.ndim) + list(values.shape)
    axes = [axis for axis, size in enumerate(whole) if size > 1]
    return axes[0] if len(axes) == 1 and axes[0] > 0 else None
