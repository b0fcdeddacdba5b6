"""Operators that select values: slices, gathers, flips, one-hot codes, triangles."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.writer import composes, is_tensor, no_form, writes_float
from keras_alt.operators import kind_of

FIRST, END = np.iinfo(np.int64).min, np.iinfo(np.int64).max  # "from the beginning", "to the end"


@writes_float("GetItem")
def _get_item(writer, call, x, key):
    key = _complete(key, len(x.shape))
    slices, gathers, squeezed, axis = [], [], [], 0
    for part in key:
        if part is None:
            continue
        if isinstance(part, slice):
            slices.append((axis, *_bounds(part)))
        elif not is_tensor(part) and np.ndim(part) == 0:
            index = int(part)
            slices.append((axis, index, END if index == -1 else index + 1, 1))
            squeezed.append(axis)
        else:
            gathers.append((axis, part))
        axis += 1
    if len(gathers) > 1:
        raise no_form(call, "several axes that are indexed by tensors")
    name = sliced(writer, writer.operand(x), slices)
    for axis, index in gathers:
        name = writer.add("Gather", name, writer.operand(index, "int64"), axis=axis)
        if np.ndim(index) != 1 and (squeezed or None in key):
            raise no_form(call, "a tensor of several axes among other indices")
    if squeezed:
        name = writer.add("Squeeze", name, squeezed)
    kept = [part for part in key if part is None or isinstance(part, slice) or np.ndim(part)]
    if new := [axis for axis, part in enumerate(kept) if part is None]:
        name = writer.add("Unsqueeze", name, new)
    return name


def sliced(writer, name: str, slices) -> str:
    """Append a slice of `(axis, start, end, step)`; whole axes are left out."""
    slices = [s for s in slices if s[1:] != (0, END, 1)]
    if not slices:
        return name
    axes, starts, ends, steps = map(list, zip(*slices, strict=True))
    return writer.add("Slice", name, starts, ends, axes, steps)


def _complete(key, rank):
    """Return one entry for each axis, with whole slices for those that the key leaves out."""
    key = tuple(key) if isinstance(key, (tuple, list)) else (key,)
    given = sum(part is not None and part is not Ellipsis for part in key)
    whole = (slice(None),) * (rank - given)
    place = next((i for i, part in enumerate(key) if part is Ellipsis), len(key))
    return key[:place] + whole + key[place + 1 :]


def _bounds(part):
    step = 1 if part.step is None else int(part.step)
    start, end = (0, END) if step > 0 else (END, FIRST)
    return (
        start if part.start is None else int(part.start),
        end if part.stop is None else int(part.stop),
        step,
    )


@writes_float("Slice")
def _slice(writer, call, x, start_indices):
    starts = [int(i) for i in start_indices]
    ends = [
        END if size is None or size == -1 else start + size
        for start, size in zip(starts, call.layer.shape, strict=True)
    ]
    parts = zip(range(len(starts)), starts, ends, [1] * len(starts), strict=True)
    return sliced(writer, writer.operand(x), parts)


@writes_float("Flip")
def _flip(writer, call, x):
    axis = call.layer.axis
    axes = range(len(x.shape)) if axis is None else [axis] if isinstance(axis, int) else axis
    return sliced(writer, writer.operand(x), [(a, END, FIRST, -1) for a in axes])


@composes("Roll")
def _roll(operator, x):
    shift, axis = operator.shift, operator.axis
    if axis is None:
        return ops.reshape(_rolled(ops.ravel(x), shift, 0), x.shape)
    pairs = [(shift, axis)] if isinstance(axis, int) else zip(shift, axis, strict=True)
    for shift, axis in pairs:
        x = _rolled(x, shift, axis)
    return x


def _rolled(x, shift, axis):
    shift %= x.shape[axis]
    before = (slice(None),) * (axis % len(x.shape))
    return (
        ops.concatenate(
            [x[(*before, slice(-shift, None))], x[(*before, slice(None, -shift))]], axis=axis
        )
        if shift
        else x
    )


@writes_float("Take")
def _take(writer, call, x, indices):
    """Count negative indices from the end, as Keras and ONNX do."""
    name, axis = writer.operand(x), call.layer.axis
    if axis is None:
        name, axis = writer.add("Reshape", name, [-1]), 0
    return writer.add("Gather", name, _index(writer, indices), axis=axis)


@writes_float("TakeAlongAxis")
def _take_along_axis(writer, call, x, indices):
    if call.layer.axis is None or x.shape[1:] != indices.shape[1:]:
        axis = call.layer.axis
        if axis is None or not _differ_only_at(x.shape, indices.shape, axis):
            raise no_form(call, f"shapes {x.shape} and {indices.shape} along axis={axis}")
    name = writer.operand(x)
    return writer.add("GatherElements", name, _index(writer, indices), axis=call.layer.axis)


def _differ_only_at(first, second, axis):
    axis %= len(first)
    return all(a == b for i, (a, b) in enumerate(zip(first, second, strict=True)) if i != axis)


@writes_float(L.Embedding)
def _embedding(writer, call, x):
    table = writer.operand(call.layer.embeddings)
    return writer.add("Gather", table, _index(writer, x), axis=0)


def _index(writer, indices):
    """Return indices in a type that ONNX takes."""
    dtype = getattr(indices, "dtype", "int64")
    return writer.operand(indices, "int32" if dtype in ("int32", "int16", "int8") else "int64")


@writes_float("OneHot")
def _one_hot(writer, call, x):
    return _one_hot_of(writer, call, writer.operand(x, "int64"), call.layer.num_classes)


def _one_hot_of(writer, call, name, count):
    """Give zeros for indices out of range, of which ONNX would count negative ones from the end."""
    dtype = "int32" if call.output.dtype == "bool" else call.output.dtype
    below = writer.add("Less", name, writer.constant(0, "int64"))
    name = writer.add("Where", below, writer.constant(count, "int64"), name)
    values = writer.constant(np.array([0, 1]), dtype)
    depth = writer.constant(count, "int64")
    name = writer.add("OneHot", name, depth, values, axis=call.layer.axis)
    return name if dtype == call.output.dtype else writer.cast(name, "bool")


@composes("Tril", "Triu")
def _triangle(operator, x):
    kept = np.tril if kind_of(operator) == "Tril" else np.triu
    mask = kept(np.ones([int(size) for size in x.shape[-2:]], bool), operator.k)
    return ops.where(mask, x, ops.cast(0, x.dtype))


@composes("Diff")
def _diff(operator, x):
    for _ in range(operator.n):
        before = (slice(None),) * (operator.axis % len(x.shape))
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


@composes(L.CategoryEncoding)
def _category_encoding(layer, x, count_weights=None):
    if layer.output_mode == "one_hot":
        x = ops.squeeze(x, -1) if len(x.shape) > 1 and x.shape[-1] == 1 else x
        return ops.one_hot(x, layer.num_tokens, dtype=keras.config.floatx())
    codes = ops.one_hot(x, layer.num_tokens, dtype=keras.config.floatx())
    if count_weights is not None:
        codes = codes * ops.expand_dims(ops.cast(count_weights, codes.dtype), -1)
    return (ops.max if layer.output_mode == "multi_hot" else ops.sum)(codes, axis=-2)
