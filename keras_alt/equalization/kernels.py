"""The layout of kernels: every kind as groups of input channels times output channels."""

import keras
import numpy as np
from keras import ops

L = keras.layers
DEPTHWISE = (L.DepthwiseConv1D, L.DepthwiseConv2D)
TRANSPOSED = (L.Conv1DTranspose, L.Conv2DTranspose)


def groups_of(layer, channels: int) -> int:
    """Return how many groups of input channels a layer computes with apart."""
    return channels if isinstance(layer, DEPTHWISE) else getattr(layer, "groups", 1)


def as_groups(layer, kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a kernel in the shape (cells of the window, groups, read, written).

    Args:
        layer: layer of the kernel.
        kernel: in the layout of Keras.
        channels: of the input.
    """
    groups = groups_of(layer, channels)
    if isinstance(layer, TRANSPOSED):
        kernel = np.swapaxes(kernel, -1, -2)
    if isinstance(layer, DEPTHWISE):
        return kernel.reshape(-1, groups, 1, kernel.shape[-1])
    kernel = kernel.reshape(-1, kernel.shape[-2], groups, kernel.shape[-1] // groups)
    return kernel.swapaxes(1, 2)


def from_groups(layer, kernel: np.ndarray) -> np.ndarray:
    """Return a kernel from `as_groups` in the layout of Keras."""
    shape = ops.shape(layer.kernel)
    if isinstance(layer, DEPTHWISE):
        return kernel.reshape(shape)
    kernel = kernel.swapaxes(1, 2)
    if isinstance(layer, TRANSPOSED):
        shape = (*shape[:-2], shape[-1], shape[-2])
        return np.swapaxes(kernel.reshape(shape), -1, -2)
    return kernel.reshape(shape)
