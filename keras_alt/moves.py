"""What Keras' operators that only move values do, in elementary moves of a few kinds."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_alt.graph import Call
from keras_alt.handlers import Handlers

Size = int | None  # None is a size that is left open


@dataclass(frozen=True)
class Move:
    """One step of a move.

    Attributes:
        operation: "crop", "pad", "reshape", "take" or "transpose", an operation of integer
            programs.
        attributes: arguments of the operation.
    """

    operation: str
    attributes: dict[str, Any]


@dataclass
class Moved:
    """A tensor on its way through moves that leave the batch alone.

    Attributes:
        shape: with the batch.
        moves: those so far.
        possible: whether all of them can be told: an axis of open size cannot be reordered.
    """

    shape: list[Size]
    moves: list[Move] = field(default_factory=list)
    possible: bool = True

    def _by(self, move: Move, shape: Sequence[Size]) -> "Moved":
        return Moved(list(shape), [*self.moves, move], self.possible)

    def impossible(self) -> "Moved":
        return Moved(self.shape, self.moves, possible=False)

    def take(self, axis: int, indices: Sequence[int]) -> "Moved":
        """Return the cells at `indices` of an axis of known size."""
        size, indices = self.shape[axis], [int(i) for i in indices]
        if indices == list(range(size)):
            return self
        if axis == 0 or not indices:
            return self.impossible()
        first, last = indices[0], indices[-1]
        if indices == list(range(first, last + 1)):
            return self.crop(axis, first, size - 1 - last)
        move = Move("take", {"indices": indices, "axis": axis})
        return self._by(move, self._resized(axis, len(indices)))

    def crop(self, axis: int, before: int, after: int) -> "Moved":
        """Return the axis without some of the first and last cells."""
        if axis == 0:
            return self.impossible()
        size = self.shape[axis]
        kept = None if size is None else size - before - after
        pairs = [(before, after) if i == axis else (0, 0) for i in range(1, len(self.shape))]
        return self._by(Move("crop", {"cropping": tuple(pairs)}), self._resized(axis, kept))

    def cut(self, axis: int, part: slice) -> "Moved":
        """Return the cells of a slice of an axis."""
        size = self.shape[axis]
        if _is_whole(part):
            return self
        if size is not None:
            return self.take(axis, range(*part.indices(size)))
        start, stop = part.start or 0, part.stop or 0
        if part.step not in (None, 1) or start < 0 or stop > 0 or part.stop == 0:
            return self.impossible()
        return self.crop(axis, start, -stop)

    def pad(self, padding: Sequence[tuple[int, int]]) -> "Moved":
        """Return the tensor with zeros around; `(before, after)` for each axis, with the batch."""
        pairs = tuple((int(before), int(after)) for before, after in padding)
        if not any(map(any, pairs)):
            return self
        if any(pairs[0]):
            return self.impossible()
        sizes = zip(self.shape, pairs, strict=True)
        shape = [None if n is None else n + a + b for n, (a, b) in sizes]
        return self._by(Move("pad", {"padding": pairs[1:]}), shape)

    def reshape(self, shape: Sequence[Size]) -> "Moved":
        """Return the same values in another shape, with the batch."""
        if list(shape) == self.shape:
            return self
        known = None not in (*self.shape[1:], *shape[1:])
        if not known or math.prod(self.shape[1:]) != math.prod(shape[1:]):
            return self.impossible()
        return self._by(Move("reshape", {"shape": tuple(shape[1:])}), [self.shape[0], *shape[1:]])

    def transpose(self, axes: Sequence[int]) -> "Moved":
        axes = tuple(int(axis) for axis in axes)
        if axes[0] != 0:
            return self.impossible()
        return self._by(Move("transpose", {"axes": axes}), [self.shape[axis] for axis in axes])

    def _resized(self, axis, size):
        return [size if i == axis else n for i, n in enumerate(self.shape)]


def _is_whole(part: slice) -> bool:
    return part.start in (None, 0) and part.stop is None and part.step in (None, 1)


# For each class name of an operator, `(call, x) -> Moved`, or a list with one for each output.
# `x` is the first input, not yet moved.
MOVES = Handlers()


def moves_of(call: Call) -> list[list[Move]] | None:
    """Return the moves from the input to each output of an operator's call.

    Returns None if the operator moves samples within the batch, reorders an axis of open size,
    or is told where to move by another tensor.
    """
    tensors = [t for t in call.inputs if isinstance(t, keras.KerasTensor)]
    if len(tensors) != 1:
        return None
    moved = MOVES[type(call.layer).__name__](call, Moved(list(tensors[0].shape)))
    outputs = moved if isinstance(moved, list) else [moved]
    return [m.moves for m in outputs] if all(m.possible for m in outputs) else None


def _argument(call, position, name):
    """Return an argument of a call behind the tensor, given by position or by name."""
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)


def _axis(axis, x) -> int:
    return int(axis) % len(x.shape)


@MOVES.handles("GetItem")
def _item(call, x):
    key = _argument(call, 1, "key")
    key = list(key) if isinstance(key, (tuple, list)) else [key]  # files hold tuples as lists
    if not all(_is_static(part) for part in key):
        return x.impossible()
    named = sum(part is not None and part is not Ellipsis for part in key)
    rest = [slice(None)] * (len(x.shape) - named)
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    key[at : at + 1] = rest
    axis, shape = 0, []
    for part in key:
        if part is None:
            shape.append(1)
        elif isinstance(part, slice):
            x = x.cut(axis, part)
            shape.append(x.shape[axis])
            axis += 1
        elif x.shape[axis] is None:
            return x.impossible()
        else:
            x = x.take(axis, [part % x.shape[axis]])
            axis += 1
    return x.reshape(shape) if _keeps_batch(key) else x.impossible()


def _is_static(part):
    if isinstance(part, bool):
        return False
    return part is None or part is Ellipsis or isinstance(part, (int, slice, np.integer))


def _keeps_batch(key):
    return isinstance(key[0], slice) and _is_whole(key[0])


@MOVES.handles("Slice")
def _slice(call, x):
    starts = _argument(call, 1, "start_indices")
    for axis, (start, size) in enumerate(zip(starts, call.layer.shape, strict=True)):
        if x.shape[axis] is None:
            return x.impossible()
        x = x.take(axis, range(int(start), int(start) + int(size)))
    return x


@MOVES.handles("Take")
def _take(call, x):
    indices, axis = np.asarray(_argument(call, 1, "indices")), call.layer.axis
    if axis is None or _axis(axis, x) == 0 or x.shape[_axis(axis, x)] is None:
        return x.impossible()
    axis = _axis(axis, x)
    taken = x.take(axis, indices.ravel() % x.shape[axis])
    return taken.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


@MOVES.handles("Split", "ArraySplit")
def _split(call, x):
    axis, parts = _axis(call.layer.axis, x), call.layer.indices_or_sections
    if axis == 0 or x.shape[axis] is None:
        return x.impossible()
    parts = parts if isinstance(parts, int) else [int(i) for i in parts]
    return [x.take(axis, cells) for cells in np.array_split(np.arange(x.shape[axis]), parts)]


@MOVES.handles("Unstack")
def _unstack(call, x):
    axis = _axis(call.layer.axis, x)
    if axis == 0 or x.shape[axis] is None:
        return x.impossible()
    shape = [*x.shape[:axis], *x.shape[axis + 1 :]]
    return [x.take(axis, [i]).reshape(shape) for i in range(x.shape[axis])]


def _reordered(x, axis, order):
    """Return the cells of an axis in another order, which `order` makes of their numbers."""
    axis = _axis(axis, x)
    if axis == 0 or x.shape[axis] is None:
        return x.impossible()
    return x.take(axis, order(np.arange(x.shape[axis])))


@MOVES.handles("Flip", "Fliplr")
def _flip(call, x):
    axis = getattr(call.layer, "axis", 1)
    for a in range(len(x.shape)) if axis is None else np.atleast_1d(axis):
        x = _reordered(x, a, np.flip)
    return x


@MOVES.handles("Rot90")
def _rotate(call, x):
    axes, turns = [_axis(axis, x) for axis in call.layer.axes], call.layer.k % 4
    if turns == 2 and x.shape[axes[0]] != x.shape[axes[1]]:
        return x.impossible()  # Keras' backends disagree on half a turn of what is not square
    swapped = np.swapaxes(_labels(x), *axes).shape
    for axis in axes if turns == 2 else axes[1:] * (turns == 1):
        x = _reordered(x, axis, np.flip)
    if turns % 2:
        x = x.transpose(swapped)
    return _reordered(x, axes[1], np.flip) if turns == 3 else x


@MOVES.handles("Roll")
def _roll(call, x):
    if call.layer.axis is None:
        return x.impossible()
    axes = np.atleast_1d(call.layer.axis)
    for axis, shift in zip(axes, np.broadcast_to(call.layer.shift, axes.shape), strict=True):
        x = _reordered(x, axis, functools.partial(np.roll, shift=shift))
    return x


@MOVES.handles("Tile")
def _tile(call, x):
    repeats = list(np.atleast_1d(call.layer.repeats))
    repeats = [1] * (len(x.shape) - len(repeats)) + repeats
    if len(repeats) > len(x.shape):
        return x.impossible()
    for axis, count in enumerate(repeats):
        x = x if count == 1 else _reordered(x, axis, functools.partial(np.tile, reps=count))
    return x


@MOVES.handles("Repeat")
def _repeat(call, x):
    if call.layer.axis is None:
        return x.impossible()
    repeat = functools.partial(np.repeat, repeats=call.layer.repeats)
    return _reordered(x, call.layer.axis, repeat)


@MOVES.handles("BroadcastTo")
def _broadcast(call, x):
    shape = list(call.layer.shape)
    if len(shape) != len(x.shape) or shape[0] != x.shape[0]:
        return x.impossible()
    for axis, size in enumerate(shape[1:], start=1):
        x = _reordered(x, axis, functools.partial(np.broadcast_to, shape=size))
    return x


@MOVES.handles("Pad")
def _pad(call, x):
    mode, value = call.layer.mode, _argument(call, 1, "constant_values")
    pairs = np.broadcast_to(call.layer.pad_width, (len(x.shape), 2)).tolist()
    if mode == "constant":
        return x.impossible() if value else x.pad(pairs)
    for axis, pair in enumerate(pairs):
        padded = functools.partial(np.pad, pad_width=pair, mode=mode)
        x = _reordered(x, axis, padded) if any(pair) else x
    return x


@MOVES.handles("Reshape", "Squeeze", "ExpandDims", "Ravel")
def _reshape(call, x):
    shape = call.outputs[0].shape
    return x.reshape(shape) if shape and shape[0] == x.shape[0] else x.impossible()


@MOVES.handles("Transpose")
def _transpose(call, x):
    return x.transpose(call.layer.axes or range(len(x.shape))[::-1])


@MOVES.handles("Swapaxes")
def _swap(call, x):
    return x.transpose(np.swapaxes(_labels(x), call.layer.axis1, call.layer.axis2).shape)


@MOVES.handles("Moveaxis")
def _move(call, x):
    return x.transpose(np.moveaxis(_labels(x), call.layer.source, call.layer.destination).shape)


def _labels(x):
    """Return an empty array whose sizes are the numbers of its axes."""
    return np.empty(range(len(x.shape)))


@MOVES.handles("SpaceToDepth", "DepthToSpace")
def _blocks(call, x):
    """Move blocks of space into channels, or back.

    The channels of a pixel are ordered by row in the block, column in the block, channel. Keras'
    backends disagree on the order if channels are first.
    """
    if None in x.shape[1:] or call.layer.data_format != "channels_last":
        return x.impossible()
    (batch, height, width, channels), block = x.shape, call.layer.block_size
    if type(call.layer).__name__ == "SpaceToDepth":
        split = [batch, height // block, block, width // block, block, channels]
    else:
        split = [batch, height, width, block, block, channels // block**2]
    return x.reshape(split).transpose((0, 1, 3, 2, 4, 5)).reshape(call.outputs[0].shape)


@MOVES.handles("Copy", "StopGradient")
def _nothing(call, x):
    return x
