"""Integer form of merges, pools and the layers that move values about."""

import math
import operator
from collections.abc import Callable

import keras
import numpy as np

from keras_alt.activations import relu_max
from keras_alt.graph import Call
from keras_alt.integer.axes import channels_as, channels_last, known_paddings, known_size
from keras_alt.integer.operations import Pairs
from keras_alt.integer.program import NotIntegerError, Shape, Sizes
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import (
    Variable,
    add,
    concatenate,
    maximum,
    minimum,
    subtract,
)
from keras_alt.layers import Matmul
from keras_alt.noise import NOISE
from keras_alt.operators import pool_cells

L = keras.layers
MERGES: dict[type, Callable[..., Variable]] = {
    L.Add: add,
    L.Subtract: subtract,
    L.Maximum: maximum,
    L.Minimum: minimum,
    L.Multiply: operator.mul,
}


@handles(*MERGES)
def _merge(reader: Reader, call: Call) -> Variable:
    operands = reader.operands(call)
    rank = max(len(x.shape) for x in operands)
    for x in operands:
        if len(x.shape) < rank:
            known_size(call.layer, x.shape)
    return MERGES[type(call.layer)](*(_of_rank(x, rank) for x in operands))


def _of_rank(x: Variable, rank: int) -> Variable:
    """Return the tensor with axes of length 1 behind the batch, where Keras' merges have them."""
    missing = rank - len(x.shape)
    return x.reshape((*[1] * missing, *x.shape), name=x.tensor.name) if missing else x


@handles(Matmul)
def _matmul(reader: Reader, call: Call) -> Variable:
    first, second = reader.operands(call)
    return first @ second


@handles(L.Concatenate)
def _concatenate(reader: Reader, call: Call) -> Variable:
    return concatenate(*reader.operands(call), axis=call.layer.axis)


@handles(L.ReLU, L.Activation)
def _relu(reader: Reader, call: Call) -> Variable:
    bound = relu_max(call.layer)
    if bound is None:
        raise NotIntegerError(
            f"ReLU '{call.layer.name}' has no integer form with a slope or a threshold. "
            f"Received: negative_slope={call.layer.negative_slope}"
        )
    return reader.operand(call).clip(0.0, None if bound == np.inf else bound)


@handles(L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D)
def _average_pool(reader: Reader, call: Call) -> Variable:
    if pool_cells(call.layer) == 1:
        return _maximum_pool(reader, call)  # subsampling
    x = channels_last(reader.operand(call), call.layer)
    if call.layer.padding == "same":  # windows at the border have fewer cells
        known_size(call.layer, x.shape[:-1])
    return channels_as(x.window_sum(*_windows(call.layer, x.shape[:-1])), call.layer)


@handles(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D)
def _maximum_pool(reader: Reader, call: Call) -> Variable:
    x = channels_last(reader.operand(call), call.layer)
    return channels_as(x.window_maximum(*_windows(call.layer, x.shape[:-1])), call.layer)


def _windows(layer, space: Shape) -> tuple[Sizes, Sizes, Pairs]:
    """Return window, strides and padding of a pool, for each space axis."""
    sizes = (np.atleast_1d(size) for size in (layer.pool_size, layer.strides))
    window, strides = (tuple(map(int, size)) for size in sizes)
    ones = (1,) * len(space)
    return window, strides, known_paddings(layer, space, window, strides, ones)


@handles(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D)
def _mean(reader: Reader, call: Call) -> Variable:
    x, axes = reader.operand(call), _space(call)
    known_size(call.layer, [x.shape[axis - 1] for axis in axes])
    return x.reduce_sum(axes, call.layer.keepdims)


@handles(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D)
def _maximum(reader: Reader, call: Call) -> Variable:
    return reader.operand(call).reduce_maximum(_space(call), call.layer.keepdims)


def _space(call: Call) -> Sizes:
    """Return the space axes of a layer; the batch counts."""
    first = 1 if call.layer.data_format == "channels_last" else 2
    return tuple(range(first, first + len(call.inputs[0].shape) - 2))


@handles(L.Flatten)
def _flatten(reader: Reader, call: Call) -> Variable:
    return _reshaped(channels_last(reader.operand(call), call.layer), call)


@handles(L.Reshape)
def _reshape(reader: Reader, call: Call) -> Variable:
    return _reshaped(reader.operand(call), call)


def _reshaped(x: Variable, call: Call) -> Variable:
    size = call.outputs[0].shape[1:]
    if None in size:
        size = (math.prod(known_size(call.layer, x.shape)),)
    return x.reshape(tuple(size))


@handles(L.Permute)
def _permute(reader: Reader, call: Call) -> Variable:
    return reader.operand(call).transpose((0, *call.layer.dims))


@handles(L.RepeatVector)
def _repeat_vector(reader: Reader, call: Call) -> Variable:
    x = reader.operand(call)
    return x.reshape((1, *x.shape)).repeat(call.layer.n, axis=1)


@handles(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D)
def _zero_padding(reader: Reader, call: Call) -> Variable:
    return reader.operand(call).pad(_around(call.layer, call.layer.padding))


@handles(L.Cropping1D, L.Cropping2D, L.Cropping3D)
def _cropping(reader: Reader, call: Call) -> Variable:
    return reader.operand(call).crop(_around(call.layer, call.layer.cropping))


def _around(layer, cells) -> Pairs:
    """Return `(before, after)` for each axis but the batch."""
    pairs = [tuple(pair) for pair in cells] if isinstance(cells[0], (tuple, list)) else [cells]
    pairs = [tuple(map(int, pair)) for pair in pairs]
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return ((0, 0), *pairs) if first else (*pairs, (0, 0))


@handles(L.Identity, *NOISE)
def _nothing(reader: Reader, call: Call) -> Variable:
    return reader.operand(call)
