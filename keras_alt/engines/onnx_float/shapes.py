"""Operators that move values to another shape."""

import numpy as np
from keras import ops

from keras_alt.engines.onnx_float.reductions import axes_of
from keras_alt.engines.onnx_float.writer import composes, no_form, writes_float


def reshaped(writer, call, name: str, old, new) -> str:
    """Append a reshape between two shapes of symbolic tensors. Open sizes are None."""
    sizes = [-1 if n is None else int(n) for n in new]
    if sizes.count(-1) > 1 and old[0] is None:
        sizes[0] = 0  # the batch stays
    if sizes.count(-1) > 1:
        raise no_form(call, f"shape {tuple(new)} with several open sizes")
    return writer.add("Reshape", name, sizes)


@writes_float("Reshape", "Ravel")
def _reshape(writer, call, x):
    """Take the new shape from the output, in which Keras has resolved -1."""
    return reshaped(writer, call, writer.operand(x), x.shape, call.output.shape)


@writes_float("Squeeze")
def _squeeze(writer, call, x):
    axis = call.layer.axis
    axes = axes_of(axis, len(x.shape))
    axes = [a for a in axes if x.shape[a] == 1] if axis is None else axes
    return writer.add("Squeeze", writer.operand(x), axes)


@writes_float("ExpandDims")
def _expand_dims(writer, call, x):
    axis = call.layer.axis
    return writer.add("Unsqueeze", writer.operand(x), [axis] if isinstance(axis, int) else axis)


@writes_float("Transpose")
def _transpose(writer, call, x):
    axes = call.layer.axes or range(len(x.shape))[::-1]
    return _permuted(writer, x, axes_in_order(axes, len(x.shape)))


@writes_float("Swapaxes")
def _swapaxes(writer, call, x):
    axes = list(range(len(x.shape)))
    first, second = call.layer.axis1, call.layer.axis2
    axes[first], axes[second] = axes[second], axes[first]
    return _permuted(writer, x, axes)


@writes_float("Moveaxis")
def _moveaxis(writer, call, x):
    moved = np.moveaxis(np.empty([1 + i for i in range(len(x.shape))]), *_ends(call.layer))
    return _permuted(writer, x, [size - 1 for size in moved.shape])


def axes_in_order(axes, rank: int) -> list[int]:
    """Return axes, counted from the beginning, without sorting them."""
    return [int(axis) % rank for axis in axes]


def _ends(operator):
    return list(operator.source), list(operator.destination)


def _permuted(writer, x, axes):
    return writer.add("Transpose", writer.operand(x), perm=axes)


@writes_float("Concatenate")
def _concatenate(writer, call, xs):
    dtype = call.output.dtype
    return writer.add("Concat", *[writer.operand(x, dtype) for x in xs], axis=call.layer.axis)


@composes("Append")
def _append(operator, x1, x2):
    if operator.axis is None:
        return ops.concatenate([ops.ravel(x1), ops.ravel(x2)])
    return ops.concatenate([x1, x2], axis=operator.axis)


@writes_float("Stack")
def _stack(writer, call, xs):
    dtype, axis = call.output.dtype, call.layer.axis
    parts = [writer.add("Unsqueeze", writer.operand(x, dtype), [axis]) for x in xs]
    return writer.add("Concat", *parts, axis=axis)


@composes("Hstack")
def _hstack(operator, xs):
    return ops.concatenate(xs, axis=1 if len(xs[0].shape) > 1 else 0)


@composes("Vstack")
def _vstack(operator, xs):
    return ops.concatenate(xs, axis=0)


@writes_float("Unstack")
def _unstack(writer, call, x):
    axis, count = call.layer.axis, len(call.outputs)
    parts = writer.several("Split", count, writer.operand(x), [1] * count, axis=axis)
    return [writer.add("Squeeze", part, [axis]) for part in parts]


@writes_float("Split")
def _split(writer, call, x):
    axis = call.layer.axis
    sizes = [tensor.shape[axis] for tensor in call.outputs]
    if None in sizes:
        raise no_form(call, f"a split of shape {x.shape} along axis={axis}")
    return writer.several("Split", len(sizes), writer.operand(x), sizes, axis=axis)


@composes("ArraySplit")
def _array_split(operator, x):
    size, count = x.shape[operator.axis], operator.indices_or_sections
    if isinstance(count, int):
        longer = [size // count + (i < size % count) for i in range(count)]
        return ops.split(x, np.cumsum(longer)[:-1].tolist(), axis=operator.axis)
    return ops.split(x, count, axis=operator.axis)


@writes_float("Tile")
def _tile(writer, call, x):
    repeats = call.layer.repeats
    repeats = [repeats] if isinstance(repeats, int) else list(repeats)
    rank = max(len(repeats), len(x.shape))
    name = writer.operand(x)
    if len(x.shape) < rank:
        name = writer.add("Unsqueeze", name, list(range(rank - len(x.shape))))
    return writer.add("Tile", name, [1] * (rank - len(repeats)) + repeats)


@writes_float("Repeat")
def _repeat(writer, call, x):
    """Repeat along a new axis behind the repeated one, then join the two."""
    axis, repeats = call.layer.axis, call.layer.repeats
    if axis is None or not isinstance(repeats, int) or len(x.shape) <= axis:
        raise no_form(call, f"repeats={repeats} along axis={axis}")
    rank, axis = len(x.shape), axis % len(x.shape)
    name = writer.add("Unsqueeze", writer.operand(x), [axis + 1])
    name = writer.add("Tile", name, [1] * (axis + 1) + [repeats] + [1] * (rank - axis - 1))
    if None in x.shape[1:]:
        return _joined(writer, name, axis, x, repeats)
    return reshaped(writer, call, name, x.shape, call.output.shape)


def _joined(writer, name, axis, x, repeats):
    """Join an axis of open size with the next one; the shape is computed when the file runs."""
    factors = [1] * len(x.shape)
    factors[axis] = repeats
    shape = writer.add("Mul", writer.add("Shape", writer.operand(x)), np.array(factors))
    return writer.add("Reshape", name, shape)


@writes_float("BroadcastTo")
def _broadcast_to(writer, call, x):
    shape = [1 if size is None else int(size) for size in call.output.shape]
    return writer.add("Expand", writer.operand(x), shape)


@writes_float("Pad")
def _pad(writer, call, x, constant_values=None):
    modes = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    width, mode = call.layer.pad_width, call.layer.mode
    if mode not in modes or (mode == "wrap" and writer.graph.opsets[""] < 19):
        raise no_form(call, f"mode={mode!r}")
    width = list(width) * (len(x.shape) if len(width) == 1 else 1)
    sizes = [int(before) for before, _ in width] + [int(after) for _, after in width]
    more = []
    if mode == "constant":
        more = [writer.constant(constant_values or 0, call.output.dtype)]
    return writer.add("Pad", writer.operand(x), sizes, *more, mode=modes[mode])


@writes_float("DepthToSpace", "SpaceToDepth")
def _depth_to_space(writer, call, x):
    kind, is_last = type(call.layer).__name__, call.layer.data_format == "channels_last"
    name = writer.operand(x)
    name = writer.transposed(name, [0, 3, 1, 2]) if is_last else name
    name = writer.add(kind, name, blocksize=call.layer.block_size)
    return writer.transposed(name, [0, 2, 3, 1]) if is_last else name
