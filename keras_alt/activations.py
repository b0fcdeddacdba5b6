"""The properties of activation functions that quantization depends on."""

import math

import keras

L = keras.layers

# Upper bound of each activation that a quantizer computes itself; None for the identity.
RELU_MAX = {None: None, "linear": None, "relu": math.inf, "relu6": 6.0}
FUSED_RELUS = {bound: name for name, bound in RELU_MAX.items() if name not in (None, "linear")}
# Activations with values of at least 0. Their codes need no sign.
NEVER_NEGATIVE = ("sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential", "relu", "relu6")


def activation_name(layer) -> str | None:
    """Return the name of a layer's activation function, None if there is no name."""
    function = getattr(layer, "activation", None)
    name = None if function is None else keras.activations.serialize(function)
    return name if isinstance(name, str) else None


def relu_max(layer) -> float | None:
    """Return the upper bound of a ReLU, infinity if it has none; None for other layers."""
    if type(layer) is L.ReLU and not layer.negative_slope and not layer.threshold:
        return math.inf if layer.max_value is None else float(layer.max_value)
    if type(layer) is L.Activation:
        return RELU_MAX.get(activation_name(layer))
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
    """Return whether the outputs of a float layer are never negative."""
    if isinstance(layer, L.Softmax):
        return True
    return relu_max(layer) is not None or activation_name(layer) in NEVER_NEGATIVE
