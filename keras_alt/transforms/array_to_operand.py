"""Replacement of arrays that are added or multiplied by tensors."""

import keras
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, rewrite
from keras_alt.layers import ConstantTensor
from keras_alt.operators import is_operator
from keras_alt.replacements import Additions, Replacements
from keras_alt.transforms.channel_scale_to_batch_norm import between_kernels

L = keras.layers
MERGES = {"Add": L.Add, "Subtract": L.Subtract, "Multiply": L.Multiply}


def array_to_operand(model: keras.Model) -> keras.Model:
    """Turn `x + array`, `x - array` and `x * array` between kernels into merges of two tensors.

    The merge has the name of the operator. A `ConstantTensor` named `<name>_constant` gives the
    array.
    """
    graph = Graph(model)
    between = between_kernels(graph)
    found = {c: array for c in graph.calls if c in between and (array := _array(c)) is not None}
    merges, constants = Replacements(graph, found), Additions(graph)

    def rule(call, new):
        array, x = found[call], new(call.inputs[0])
        name, merge = call.layer.name, MERGES[type(call.layer).__name__]
        make = lambda name: ConstantTensor(array.shape[1:], name=name)  # noqa: E731
        layer = constants((call.layer, array.shape), f"{name}_constant", make)
        constant = call_and_fill(layer, lambda built: built.set_weights([array[0]]), x)
        is_first = not isinstance(call.args[0], keras.KerasTensor)
        merged = merges(call.layer, array.shape, lambda name: merge(name=name))
        return merged([constant, x] if is_first else [x, constant])

    return rewrite(graph, rule, found)


def _array(call: Call):
    """Return the array that a call merges with a tensor, of the tensor's rank, or None."""
    if not is_operator(call.layer, *MERGES) or len(call.inputs) != 1 or len(call.args) != 2:
        return None
    (constant,) = [arg for arg in call.args if not isinstance(arg, keras.KerasTensor)] or [None]
    if constant is None or isinstance(constant, (int, float, keras.Variable)) or call.kwargs:
        return None
    array, shape = ops.convert_to_numpy(constant), call.inputs[0].shape
    if array.ndim > len(shape) or call.output.shape != shape:
        return None
    array = array.reshape(*[1] * (len(shape) - array.ndim), *array.shape)
    return array if array.shape[0] == 1 and array.dtype.kind == "f" else None
