"""Integer form of merges, pools and the layers that move values about."""

import keras
import numpy as np

from keras_alt.integer.arithmetic import window_sum
from keras_alt.integer.kernels import clipped
from keras_alt.integer.program import Tensor
from keras_alt.integer.reader import NotIntegerError, handles, handles_operators
from keras_alt.padding import paddings
from keras_alt.roles import pool_cells, relu_max

L = keras.layers


@handles(L.Add, L.Subtract, L.Maximum, L.Minimum, L.Concatenate)
def _merge(reader, call):
    """Bring the operands to one exponent, the finest, and merge them."""
    layer = call.layer
    rank = max(len(tensor.shape) for tensor in call.inputs) - 1
    positions = [_of_rank(reader, layer, p, rank) for p in reader.operands(call)]
    tensors = [reader.tensor(p) for p in positions]
    exponent = min(t.exponent for t in tensors)
    shifts = tuple(t.exponent - exponent for t in tensors)
    lows = [t.low << s for t, s in zip(tensors, shifts, strict=True)]
    highs = [t.high << s for t, s in zip(tensors, shifts, strict=True)]
    attributes = {"axis": layer.axis} if type(layer) is L.Concatenate else {}
    if type(layer) is L.Add:
        low, high = sum(lows), sum(highs)
    elif type(layer) is L.Subtract:
        low, high = lows[0] - highs[1], highs[0] - lows[1]
    else:
        low, high = min(lows), max(highs)
    one_grid = len({(t.exponent, t.format) for t in tensors}) == 1
    sums = type(layer) in (L.Add, L.Subtract)
    tensor = Tensor(
        layer.name,
        call.outputs[0].shape[1:],
        exponent,
        low,
        high,
        tensors[0].format if one_grid and not sums else None,
    )
    operation = {L.Concatenate: "concatenate"}.get(type(layer), type(layer).__name__.lower())
    return reader.program.add_step(
        operation, layer.name, positions, tensor, shifts=shifts, **attributes
    )


def _of_rank(reader, layer, position, rank):
    """Return the tensor with axes of length 1 behind the batch, where Keras' merges have them."""
    x = reader.tensor(position)
    missing = rank - len(x.shape)
    if not missing:
        return position
    shape = (*[1] * missing, *x.shape)
    tensor = Tensor(x.name, shape, x.exponent, x.low, x.high, x.format)
    return reader.program.add_step("reshape", layer.name, [position], tensor, shape=shape)


@handles(L.ReLU)
def _relu(reader, call):
    bound = relu_max(call.layer)
    if bound is None:
        raise NotIntegerError(
            f"ReLU '{call.layer.name}' has no integer form with a slope or a threshold. "
            f"Received: negative_slope={call.layer.negative_slope}"
        )
    position = reader.operands(call)[0]
    return clipped(reader, position, call.layer, 0.0, None if bound == np.inf else bound)


@handles(L.AveragePooling1D, L.AveragePooling2D)
def _average_pool(reader, call):
    if pool_cells(call.layer) == 1:
        return _pooled(reader, call, "window_maximum")  # subsampling
    return _pooled(reader, call, "window_sum")


@handles(L.MaxPooling1D, L.MaxPooling2D)
def _maximum_pool(reader, call):
    return _pooled(reader, call, "window_maximum")


def _pooled(reader, call, operation):
    layer = call.layer
    position = reader.channels_last(reader.operands(call)[0], layer)
    x = reader.tensor(position)
    space = x.shape[:-1]
    reader.require_size(layer, space)
    window, strides = (tuple(np.atleast_1d(v)) for v in (layer.pool_size, layer.strides))
    window, strides = tuple(map(int, window)), tuple(map(int, strides))
    padding = paddings(layer.padding, space, window, strides, (1,) * len(space))
    cells = _valid_cells(space, window, strides, padding)
    divisor, low, high, format = 1, x.low, x.high, x.format
    if operation == "window_sum":
        format = None
        divisor = int(cells.max()) if cells.min() == cells.max() else cells
        low, high = int(cells.max()) * x.low, int(cells.max()) * x.high
    tensor = Tensor(
        layer.name,
        (*cells.shape[1:-1], x.shape[-1]),
        x.exponent,
        low,
        high,
        format,
        divisor,
    )
    position = reader.program.add_step(
        operation,
        layer.name,
        [position],
        tensor,
        window=window,
        strides=strides,
        padding=padding,
    )
    return reader.channels_as(position, layer)


def _valid_cells(space, window, strides, padding):
    """Return how many cells of each window lie inside: Keras' averages divide by them."""
    return window_sum(np.ones((1, *space, 1), np.int64), window, strides, padding)


@handles(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D)
def _mean(reader, call):
    layer = call.layer
    position = reader.operands(call)[0]
    x = reader.tensor(position)
    axes = _space(layer, len(x.shape))
    space = [x.shape[a - 1] for a in axes]
    reader.require_size(layer, space)
    cells = int(np.prod(space))
    tensor = Tensor(
        layer.name,
        call.outputs[0].shape[1:],
        x.exponent,
        cells * x.low,
        cells * x.high,
        divisor=cells,
    )
    return reader.program.add_step(
        "reduce_sum", layer.name, [position], tensor, axes=axes, keepdims=layer.keepdims
    )


@handles(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D)
def _maximum(reader, call):
    layer = call.layer
    axes = _space(layer, len(call.inputs[0].shape) - 1)
    return reader.moved("reduce_maximum", call, axes=axes, keepdims=layer.keepdims)


@handles_operators("Max")
def _maximum_over_axes(reader, call):
    operator, rank = call.layer, len(call.inputs[0].shape)
    axis = range(rank) if operator.axis is None else np.atleast_1d(operator.axis)
    axes = tuple(sorted(int(a) % rank for a in axis))
    if 0 in axes or operator.initial is not None:
        raise NotIntegerError(
            f"The maximum '{call.layer.name}' must leave the batch alone and have no `initial`. "
            f"Received: axis={operator.axis}, initial={operator.initial}"
        )
    return reader.moved("reduce_maximum", call, axes=axes, keepdims=bool(operator.keepdims))


def _space(layer, rank):
    first = 1 if layer.data_format == "channels_last" else 2
    return tuple(range(first, first + rank - 1))


@handles(L.Flatten)
def _flatten(reader, call):
    position = reader.operands(call)[0]
    return _reshaped(reader, call, reader.channels_last(position, call.layer))


@handles(L.Reshape)
def _reshape(reader, call):
    return _reshaped(reader, call, reader.operands(call)[0])


@handles_operators("Reshape", "Squeeze", "ExpandDims", "Ravel")
def _reshape_operator(reader, call):
    if call.outputs[0].shape[0] != call.inputs[0].shape[0]:
        raise NotIntegerError(
            f"Operator '{call.layer.name}' must leave the batch alone. "
            f"Received: shape={call.outputs[0].shape}"
        )
    return _reshaped(reader, call, reader.operands(call)[0])


def _reshaped(reader, call, position):
    x, size = reader.tensor(position), call.outputs[0].shape[1:]
    if None in size:
        reader.require_size(call.layer, x.shape)
        size = (int(np.prod(x.shape)),)
    shape = tuple(size)
    tensor = Tensor(call.layer.name, shape, x.exponent, x.low, x.high, x.format)
    return reader.program.add_step("reshape", call.layer.name, [position], tensor, shape=shape)


@handles(L.Permute)
def _permute(reader, call):
    return reader.moved("transpose", call, axes=(0, *call.layer.dims))


@handles_operators("Transpose")
def _transpose(reader, call):
    rank = len(call.inputs[0].shape)
    axes = tuple(call.layer.axes or reversed(range(rank)))
    if axes[0] != 0:
        raise NotIntegerError(
            f"Operator '{call.layer.name}' must leave the batch alone. Received: axes={axes}"
        )
    return reader.moved("transpose", call, axes=axes)


@handles(L.RepeatVector)
def _repeat_vector(reader, call):
    x = reader.tensor(reader.operands(call)[0])
    tensor = Tensor(call.layer.name, (1, *x.shape), x.exponent, x.low, x.high, x.format)
    position = reader.program.add_step(
        "reshape", call.layer.name, reader.operands(call), tensor, shape=(1, *x.shape)
    )
    return reader.moved("repeat", call, position=position, repeats=call.layer.n, axis=1)


@handles(L.UpSampling1D, L.UpSampling2D)
def _upsample(reader, call):
    layer = call.layer
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise NotIntegerError(
            f"Layer '{layer.name}' has an integer form for nearest neighbours only. "
            f"Received: interpolation={layer.interpolation!r}"
        )
    position = reader.channels_last(reader.operands(call)[0], layer)
    reader.require_size(layer, reader.tensor(position).shape[:-1])
    for axis, repeats in enumerate(np.atleast_1d(layer.size), start=1):
        shape = list(reader.tensor(position).shape)
        shape[axis - 1] *= int(repeats)
        position = reader.moved("repeat", call, shape, position, repeats=int(repeats), axis=axis)
    return reader.channels_as(position, layer)


@handles(L.ZeroPadding1D, L.ZeroPadding2D)
def _zero_padding(reader, call):
    return reader.moved("pad", call, padding=_around(call.layer, call.layer.padding))


@handles(L.Cropping1D, L.Cropping2D)
def _cropping(reader, call):
    return reader.moved("crop", call, cropping=_around(call.layer, call.layer.cropping))


def _around(layer, cells):
    """Return `(before, after)` for each axis but the batch."""
    pairs = [tuple(pair) for pair in cells] if isinstance(cells[0], (tuple, list)) else [cells]
    pairs = [tuple(map(int, pair)) for pair in pairs]
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return ((0, 0), *pairs) if first else (*pairs, (0, 0))


@handles(
    L.Identity,
    L.Dropout,
    L.SpatialDropout1D,
    L.SpatialDropout2D,
    L.ActivityRegularization,
)
def _nothing(reader, call):
    return reader.operands(call)[0]
