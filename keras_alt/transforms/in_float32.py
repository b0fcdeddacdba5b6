"""Float32 for the layers of a model with mixed precision."""

import keras

from keras_alt.graph import Call, Graph, rewrite
from keras_alt.keras_internals import nested_layers
from keras_alt.precision import is_mixed
from keras_alt.transforms.inline import inline

FLOATS = ("float16", "bfloat16", "float32", "float64")


def in_float32(model: keras.Model) -> keras.Model:
    """Return a copy of `model` that computes in float32 where the policy of a layer is mixed.

    Variables are float32 already, so no weight changes. Casts between floats are left out. A model
    without mixed precision is returned as it is.

    Args:
        model: built `keras.Model`; not changed.
    """
    if not _mixed(model):
        return model
    copy = inline(model)
    for layer in _mixed(copy):
        layer.dtype_policy = "float32"
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with tensors that are made from its weights
    return rewrite(Graph(copy), lambda call, new: new(call.inputs[0]) if _is_cast(call) else None)


def _mixed(model):
    return [layer for layer in nested_layers(model) if is_mixed(layer) and not _is_model(layer)]


def _is_model(layer):
    return isinstance(layer, keras.Model)  # its policy is the global one, and computes nothing


def _is_cast(call: Call) -> bool:
    """Return whether a call is the operator `keras.ops.cast` from a float to a float."""
    is_operator = type(call.layer).__name__ == "Cast" and len(call.inputs) == 1
    return is_operator and {call.inputs[0].dtype, call.output.dtype} <= set(FLOATS)
