"""Integer form of the layers that enlarge images."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_alt.formats import FixedPoint
from keras_alt.graph import Call
from keras_alt.integer.axes import channels_as, channels_last, known_size
from keras_alt.integer.program import Constant, NotIntegerError
from keras_alt.integer.reader import Reader, handles
from keras_alt.integer.variables import Variable, concatenate
from keras_alt.resizing import enlargement, has_exact_weights

L = keras.layers
TAPS = FixedPoint(8, narrow=True)


@handles(L.UpSampling1D, L.UpSampling3D)
def _repeat_cells(reader: Reader, call: Call) -> Variable:
    x = channels_last(reader.operand(call), call.layer)
    factors = np.atleast_1d(call.layer.size).tolist()
    return channels_as(_repeated(x, factors), call.layer)


@handles(L.UpSampling2D, L.Resizing)
def _upsample(reader: Reader, call: Call) -> Variable:
    layer = call.layer
    x = channels_last(reader.operand(call), layer)
    repeated, interpolated = (enlargement(call, rule) for rule in ("nearest", "bilinear"))
    if repeated is not None:
        return channels_as(_repeated(x, repeated), layer)
    if interpolated is None or not has_exact_weights(call):
        raise NotIntegerError(
            f"Layer '{layer.name}' has an integer form if it repeats neighbours a whole number of "
            "times, or interpolates linearly by factors of 2, 4, 8 and so on. "
            f"Received: interpolation={layer.interpolation!r}, size={call.outputs[0].shape[1:]}"
        )
    return channels_as(_interpolated(x, interpolated, layer), layer)


def _repeated(x: Variable, factors: Sequence[int]) -> Variable:
    for axis, factor in enumerate(factors, start=1):
        x = x.repeat(int(factor), axis)
    return x


def _interpolated(x: Variable, factors: tuple[int, int], layer) -> Variable:
    """Interpolate as a filter over repeated cells.

    A new cell lies at an odd number of half steps from the middles of the old cells. Its weights
    count how many of the cells around it, in windows of `factor` cells to both sides, repeat each
    old cell. Cells outside repeat those at the border.
    """
    *_, channels = known_size(layer, x.shape)
    x = _repeated(x, factors)
    for axis, factor in enumerate(factors, start=1):
        x = _with_border(x, axis, factor // 2, layer)
    rows, columns = map(_taps, factors)
    codes = np.multiply.outer(rows, columns)
    kernel = np.repeat(codes[:, :, None, None], channels, axis=-1)
    exponent = -(int(rows.sum()) * int(columns.sum())).bit_length() + 1
    ones = (1, 1)
    return x.convolve(Constant(kernel, exponent, TAPS), ones, ((0, 0),) * 2, ones, channels)


def _taps(factor: int) -> np.ndarray:
    """Return the sum of two windows of `factor` cells, one cell apart; their sum is 2 * factor."""
    if factor == 1:
        return np.ones(1, np.int64)
    return np.array([1, *[2] * (factor - 1), 1], np.int64)


def _with_border(x: Variable, axis: int, cells: int, layer) -> Variable:
    """Repeat the outermost cells of an axis, of which as many are equal."""
    if not cells:
        return x
    rest = known_size(layer, x.shape)[axis - 1] - cells
    ends = [
        x.crop(tuple(pair if i == axis else (0, 0) for i in range(1, len(x.shape) + 1)))
        for pair in ((0, rest), (rest, 0))
    ]
    return concatenate(ends[0], x, ends[1], axis=axis)
