"""Upper bounds of ReLUs, of one number or one for each channel."""

import keras
import numpy as np

from keras_alt.activations import relu_max
from keras_alt.layers import CappedReLU


def is_relu(layer: keras.Operation) -> bool:
    """Return whether a layer is a ReLU, with one bound, a bound for each channel, or none."""
    return relu_max(layer) is not None or type(layer) is CappedReLU


def caps_of(layer: keras.Operation) -> float | np.ndarray | None:
    """Return the bound of a ReLU, or that of each channel; None if the layer has no bound."""
    caps = layer.upper_bounds() if type(layer) is CappedReLU else relu_max(layer)
    return None if caps is None or np.isposinf(caps).all() else caps
