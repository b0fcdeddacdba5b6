"""What a layer is to quantization."""

import math

import keras

from keras_alt.graph import Call

L = keras.layers

KERNELS = (
    L.Conv1D,
    L.Conv2D,
    L.Conv2DTranspose,
    L.DepthwiseConv2D,
    L.SeparableConv2D,
    L.Dense,
)
# They move values about, or choose among them: what lies on a grid stays on it.
GRID_PRESERVING = (
    L.MaxPooling1D,
    L.MaxPooling2D,
    L.GlobalMaxPooling1D,
    L.GlobalMaxPooling2D,
    L.Flatten,
    L.Reshape,
    L.Permute,
    L.RepeatVector,
    L.ZeroPadding1D,
    L.ZeroPadding2D,
    L.Cropping1D,
    L.Cropping2D,
    L.Identity,
    L.Dropout,
    L.SpatialDropout1D,
    L.SpatialDropout2D,
    L.ActivityRegularization,
)
GRID_PRESERVING_OPERATORS = (
    "ExpandDims",
    "Flip",
    "GetItem",
    "Max",
    "MaxPool",
    "Pad",
    "Ravel",
    "Repeat",
    "Reshape",
    "Roll",
    "Slice",
    "Squeeze",
    "Swapaxes",
    "Take",
    "Tile",
    "Transpose",
)
POOLS = (L.AveragePooling1D, L.AveragePooling2D)
MEANS = (L.GlobalAveragePooling1D, L.GlobalAveragePooling2D)
NEVER_NEGATIVE = ("sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential", "relu", "relu6")


def is_kernel(call: Call) -> bool:
    """Return whether the call multiplies by a trained kernel that has a quantized form.

    Subclasses may compute something else, so the type must be Keras' own.
    """
    return type(call.layer) in KERNELS


def is_batch_norm(call: Call) -> bool:
    """Return whether the call is Keras' batch norm, or a subclass that says it infers like it.

    Subclasses may compute something else, so one says with `infers_like_batch_norm = True` that
    only its training is its own.
    """
    layer = call.layer
    return type(layer) is L.BatchNormalization or (
        isinstance(layer, L.BatchNormalization)
        and vars(type(layer)).get("infers_like_batch_norm", False)
    )


def is_average_pool(call: Call) -> bool:
    """Return whether the call averages over windows of more than one cell."""
    return type(call.layer) in POOLS and pool_cells(call.layer) > 1


def is_mean(call: Call) -> bool:
    """Return whether the call averages over all positions."""
    return type(call.layer) in MEANS


def is_grid_preserving(call: Call) -> bool:
    """Return whether the outputs lie on the grid of the input."""
    layer = call.layer
    if type(layer) in POOLS:
        return pool_cells(layer) == 1  # subsampling
    if isinstance(layer, L.UpSampling2D):
        return layer.interpolation == "nearest"
    if isinstance(layer, L.Layer):
        return type(layer) in (*GRID_PRESERVING, L.UpSampling1D)
    return is_operator(layer, *GRID_PRESERVING_OPERATORS)


def is_operator(layer, *names) -> bool:
    """Return whether `layer` is one of Keras' operators, not a layer, of these class names."""
    return (
        not isinstance(layer, L.Layer)
        and type(layer).__module__.startswith("keras.")
        and type(layer).__name__ in names
    )


def pool_cells(layer) -> int:
    """Return the number of cells in a pool's window."""
    return math.prod(layer.pool_size) if isinstance(layer.pool_size, tuple) else layer.pool_size


def activation_name(layer) -> str | None:
    """Return the name of a layer's activation function, None if it has none or a nameless one."""
    function = getattr(layer, "activation", None)
    name = None if function is None else keras.activations.serialize(function)
    return name if isinstance(name, str) else None


def relu_max(layer) -> float | None:
    """Return the upper bound of a ReLU (infinity if unbounded), None for other layers."""
    if type(layer) is L.ReLU and not layer.negative_slope and not layer.threshold:
        return math.inf if layer.max_value is None else float(layer.max_value)
    if type(layer) is L.Activation:
        return {"relu": math.inf, "relu6": 6.0}.get(activation_name(layer))
    return None


def leaky_slope(layer) -> float | None:
    """Return the negative slope of a leaky ReLU, None for other layers."""
    if type(layer) is L.LeakyReLU:
        return float(layer.negative_slope)
    if type(layer) is L.ReLU and layer.negative_slope and not layer.threshold:
        return float(layer.negative_slope)
    if type(layer) is L.Activation and activation_name(layer) == "leaky_relu":
        return 0.2  # the default of keras.activations.leaky_relu
    return None


def is_never_negative(layer) -> bool:
    """Return whether a float layer's outputs need no sign."""
    if isinstance(layer, L.Softmax):
        return True
    return relu_max(layer) is not None or activation_name(layer) in NEVER_NEGATIVE
