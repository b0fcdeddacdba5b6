"""Replacement of Keras operators by layers that compute the same."""

import inspect
import math

import keras

from keras_alt.graph import Call, Graph, replaced, rewrite
from keras_alt.keras_internals import timestep_mask
from keras_alt.operators import is_operator
from keras_alt.replacements import Replacements

L = keras.layers
MERGES = {
    "Add": L.Add,
    "Multiply": L.Multiply,
    "Subtract": L.Subtract,
    "Maximum": L.Maximum,
    "Minimum": L.Minimum,
}
POOLS = {
    ("MaxPool", 3): L.MaxPooling1D,
    ("MaxPool", 4): L.MaxPooling2D,
    ("AveragePool", 3): L.AveragePooling1D,
    ("AveragePool", 4): L.AveragePooling2D,
}
ACTIVATIONS = {
    name.replace("_", ""): name
    for name in [
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "log_sigmoid",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softplus",
        "softsign",
        "tanh",
    ]
}


def operators_to_layers(model: keras.Model) -> keras.Model:
    """Turn operators such as `x + y`, `x * 0.5` and `ops.relu(x)` into layers.

    Operators cannot be loaded from `.h5`. Also, the transforms that follow then know one form of
    each function. Operators without an equivalent layer stay. Operators on masked tensors stay too,
    because layers would use the mask.
    """
    graph = Graph(model)
    layers = {call: layer for call in graph.calls if (layer := _layer_for(call))}
    replacements = Replacements(graph, layers)

    def rule(call, new):
        layer, operand = layers[call], new(_operand(call))
        if _is_masked(operand):
            return None
        shapes = tuple(tensor.shape for tensor in call.inputs)
        make = lambda name: replaced(layer, type(layer), name=name)  # noqa: E731
        return replacements(call.layer, shapes, make)(operand)

    return rewrite(graph, rule, layers)


def _operand(call):
    if is_operator(call.layer, "Concatenate"):
        return list(call.inputs)
    return call.inputs[0] if len(call.inputs) == 1 else list(call.inputs)


def _layer_for(call: Call):
    operator = call.layer
    if isinstance(operator, L.Layer) or not is_operator(operator, type(operator).__name__):
        return None
    name, kind = operator.name, type(operator).__name__
    if len(call.inputs) == 2 and kind in MERGES and _same_rank(call):
        return MERGES[kind](name=name)
    if len(call.inputs) == 1 and len(call.args) == 2:
        return _rescaling(call)
    if kind == "Concatenate" and len(call.inputs) > 1:
        return L.Concatenate(axis=operator.axis, name=name)
    if len(call.inputs) != 1:
        return None
    if kind.lower() in ACTIVATIONS:
        return _activation(operator, ACTIVATIONS[kind.lower()])
    if kind == "Softmax":
        return L.Softmax(axis=operator.axis, name=name)
    if kind in ("Reshape", "Squeeze", "ExpandDims"):
        return _reshape(call)
    if kind == "Mean":
        return _mean(operator, call.inputs[0])
    pool = POOLS.get((kind, len(call.inputs[0].shape)))
    return pool and _pool(operator, pool)


def _is_masked(operand):
    operands = operand if isinstance(operand, list) else [operand]
    return any(timestep_mask(tensor) is not None for tensor in operands)


def _same_rank(call):
    first, second = call.inputs
    return len(first.shape) == len(second.shape)


def _activation(operator, name):
    """Return the layer of an activation, None if no layer has the operator's arguments."""
    if name == "leaky_relu":
        return L.LeakyReLU(negative_slope=float(operator.negative_slope), name=operator.name)
    parameters = inspect.signature(keras.activations.get(name)).parameters.values()
    # Defaults may differ: `ops.gelu` approximates by default, `activations.gelu` does not.
    usual = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    given = {key: getattr(operator, key, value) for key, value in usual.items()}
    if given == usual:
        return L.Activation(name, name=operator.name)
    return L.ReLU(**given, name=operator.name) if name == "relu" else None


def _rescaling(call):
    first, second = call.args
    constant_first = not isinstance(first, keras.KerasTensor)
    constant = first if constant_first else second
    if not isinstance(constant, (int, float)) or isinstance(constant, bool):
        return None
    kind = type(call.layer).__name__
    if kind == "Add":
        scale, offset = 1.0, constant
    elif kind == "Multiply":
        scale, offset = constant, 0.0
    elif kind == "Subtract":
        scale, offset = (-1.0, constant) if constant_first else (1.0, -constant)
    elif kind in ("Divide", "TrueDivide") and not constant_first:
        scale, offset = 1.0 / constant, 0.0
    else:
        return None
    return L.Rescaling(scale, offset, name=call.layer.name)


def _reshape(call):
    before, shape = call.inputs[0].shape, call.output.shape
    if shape[0] != before[0] or None in shape[1:]:
        return None
    if None not in before[1:] and math.prod(before[1:]) != math.prod(shape[1:]):
        return None  # it moves samples
    return L.Reshape(shape[1:], name=call.layer.name)


def _pool(operator, pool):
    return pool(
        operator.pool_size,
        strides=operator.strides,
        padding=operator.padding,
        data_format=operator.data_format,
        name=operator.name,
    )


def _mean(operator, x):
    axes = operator.axis if isinstance(operator.axis, (list, tuple)) else [operator.axis]
    if None in axes:
        return None
    rank = len(x.shape)
    means = {4: L.GlobalAveragePooling2D, 3: L.GlobalAveragePooling1D}
    if sorted(axis % rank for axis in axes) != list(range(1, rank - 1)) or rank not in means:
        return None
    return means[rank](
        keepdims=bool(operator.keepdims), data_format="channels_last", name=operator.name
    )
