"""The products that a kernel layer computes, at sampled positions of its output."""

import math

import numpy as np
from keras import ops

from keras_alt.layers import (
    QuantConv1D,
    QuantConv1DTranspose,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantConv3D,
    QuantDense,
    QuantDepthwiseConv1D,
    QuantDepthwiseConv2D,
)
from keras_alt.layers.channels import channel_axis
from keras_alt.padding import paddings

DEPTHWISE = (QuantDepthwiseConv1D, QuantDepthwiseConv2D)
TRANSPOSED = (QuantConv1DTranspose, QuantConv2DTranspose)
CONVOLUTIONS = (QuantConv1D, QuantConv2D, QuantConv3D, *DEPTHWISE)
SAMPLED = (QuantDense, *CONVOLUTIONS, *TRANSPOSED)


def grouped(layer, kernel: np.ndarray) -> np.ndarray:
    """Return a kernel in the shape (groups, inputs, outputs).

    Output channels of different groups read different input channels. In a depthwise convolution,
    each input channel is a group.
    """
    if isinstance(layer, TRANSPOSED):
        kernel = np.swapaxes(kernel, -1, -2)
    outputs = (
        kernel.shape[-1] if isinstance(layer, DEPTHWISE) else kernel.shape[-1] // _groups(layer)
    )
    return np.moveaxis(kernel.reshape(-1, _groups(layer), outputs), 1, 0)


def ungrouped(layer, kernel: np.ndarray) -> np.ndarray:
    """Return what `grouped` returned in the shape of the layer's kernel."""
    kernel, shape = np.moveaxis(kernel, 0, 1), tuple(layer.kernel.shape)
    if isinstance(layer, TRANSPOSED):
        return np.swapaxes(kernel.reshape(*shape[:-2], shape[-1], shape[-2]), -1, -2)
    return kernel.reshape(shape)


def sampled_outputs(layer, values, most: int, seed: int) -> np.ndarray:
    """Return the channels of an output at sampled positions, shape (groups, positions, outputs).

    Args:
        layer: instance of `SAMPLED`.
        values: output of the layer for a batch.
        most: how many positions at most, of all samples of the batch.
        seed: of the choice. Outputs of one shape have the same positions.
    """
    values = _channels_last(layer, values)
    rows = values[_positions(values.shape[:-1], most, seed)]
    return np.moveaxis(rows.reshape(len(rows), _groups(layer), -1), 1, 0)


def sampled_inputs(layer, inputs, shape: tuple, most: int, seed: int) -> np.ndarray:
    """Return what the outputs are sums of at sampled positions, shape (groups, positions, inputs).

    Its product with the grouped kernel is the output without bias.

    Args:
        layer, most, seed: as for `sampled_outputs`.
        inputs: of the layer, for a batch.
        shape: of the output.
    """
    space = list(shape)
    del space[channel_axis(layer)]
    positions = _positions(space, most, seed)
    if isinstance(layer, CONVOLUTIONS):
        rows = _windows(layer, _channels_last(layer, inputs), positions)
    elif isinstance(layer, TRANSPOSED):
        rows = _terms(layer, inputs)[positions]
    else:
        rows = ops.convert_to_numpy(inputs)[positions]
    groups, taps = _groups(layer), math.prod(getattr(layer, "kernel_size", ()))
    rows = np.moveaxis(rows.reshape(len(rows), taps, groups, -1), 2, 0)
    return rows.reshape(*rows.shape[:2], -1)


def _groups(layer):
    return layer.kernel.shape[-2] if isinstance(layer, DEPTHWISE) else getattr(layer, "groups", 1)


def _channels_last(layer, values):
    return np.moveaxis(ops.convert_to_numpy(values), channel_axis(layer), -1)


def _positions(space, most, seed):
    """Return an array of indices for each axis of `space`."""
    count = math.prod(space)
    flat = np.arange(count)
    if count > most:
        flat = np.random.default_rng(seed).choice(count, most, replace=False)
    return np.unravel_index(flat, space)


def _windows(layer, x, positions):
    """Return the cells that a convolution reads at each position, channels last."""
    rank = len(layer.kernel_size)
    geometry = layer.kernel_size, layer.strides, layer.dilation_rate
    x = np.pad(x, [(0, 0), *paddings(layer.padding, x.shape[1:-1], *geometry), (0, 0)])
    indices = [positions[0].reshape(-1, *[1] * rank)]
    for axis, (window, stride, dilation) in enumerate(zip(*geometry, strict=True)):
        cells = positions[axis + 1][:, None] * stride + np.arange(window) * dilation
        indices.append(cells.reshape(-1, *[1] * axis, window, *[1] * (rank - axis - 1)))
    return x[tuple(indices)]


def _terms(layer, inputs):
    """Return each term of a transposed convolution's sums as a channel of its own."""
    *window, _, channels = layer.kernel.shape
    count = math.prod(window) * channels
    units = np.eye(count, dtype="float32").reshape(*window, channels, count)
    return _channels_last(layer, layer.linear(inputs, np.swapaxes(units, -1, -2)))
