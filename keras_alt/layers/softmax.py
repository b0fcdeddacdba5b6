"""Softmax by tables of exponentials, and the float layer whose place it takes."""

import functools

import keras
import numpy as np
from keras import ops

from keras_alt.activations import activation_name
from keras_alt.exponentials import BITS, LONGEST_ROW, exponentials, guard_bits
from keras_alt.formats import FixedPoint
from keras_alt.functions import EXPONENTS
from keras_alt.layers.tabulated import Tabulated
from keras_alt.numerics.function import softmax

L = keras.layers


@keras.saving.register_keras_serializable(package="keras_alt")
class ScaledSoftmax(L.Layer):
    """Computes `softmax(scale * x)`, such as the probabilities of an attention layer.

    Args:
        axis: integer, the axis of a row.
        scale: positive factor.
    """

    def __init__(self, axis: int = -1, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.scale = axis, scale

    def build(self, input_shape=None):
        self.built = True

    def call(self, inputs):
        return ops.softmax(inputs * self.scale, axis=self.axis)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantSoftmax(Tabulated):
    """Computes `softmax(scale * x)` of a quantized tensor, in whole numbers.

    With `m` the largest code of a row, `e = round(2**15 * exp(-scale * step * (m - code)))` comes
    from a table. A probability is `floor((2**15 * e + floor(s / 2)) / s)` of `2**-15`. The sum `s`
    of the row is made of finer exponentials, then rounded to the unit of `e`. All numbers fit 32
    bits, on every backend and engine. The gradient is that of a softmax with these probabilities.

    Args:
        format: `FixedPoint` of the input.
        axis: integer, the axis of a row.
        scale: positive factor.
    """

    def __init__(self, format: FixedPoint, axis: int = -1, scale: float = 1.0, **kwargs):
        super().__init__(format, **kwargs)
        if not scale > 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale}")
        self.axis, self.scale = axis, scale

    def build(self, input_shape=None):
        if input_shape is not None and not is_row(input_shape, self.axis):
            raise ValueError(
                f"A row of '{self.name}' must have {LONGEST_ROW} codes at most, not along the "
                f"samples. Received: axis={self.axis} of the shape {tuple(input_shape)}"
            )
        super().build(input_shape)

    def tables(self, length: int):
        """Return the exponentials for rows of a length: for numerators, and finer ones for sums."""
        bits = BITS, BITS + guard_bits(length)
        return [_exponentials(self.scale, self.format, each) for each in bits]

    @functools.cached_property
    def units(self):
        """The step of the probabilities for each exponent: NaN where there is no table."""
        steps = np.full(len(EXPONENTS), 2.0**-BITS, np.float32)
        return np.pad(steps, 1, constant_values=np.nan)

    def call(self, inputs, input_exponent, training=None):
        """Return the softmax of `inputs`, which lie on the grid with step `2**input_exponent`."""
        length = inputs.shape[self.axis]
        tables = [self.chosen(table, input_exponent) for table in self.tables(length)]
        unit = self.chosen(self.units, input_exponent)
        rules = self.axis, BITS, guard_bits(length), self.scale
        return softmax(inputs, input_exponent, tables, unit, rules, bool(training))

    def exponentials(self, exponent: int, length: int):
        """Return the tables on the grid with step `2**exponent`, None if there are none."""
        if exponent not in EXPONENTS:
            return None
        return [table[self.row(exponent)] for table in self.tables(length)]

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "scale": self.scale}


@functools.lru_cache
def _exponentials(scale, format, bits):
    return exponentials(scale, format, bits)


def is_row(shape, axis: int) -> bool:
    """Return whether an axis of a tensor is as long as an integer softmax can be."""
    inside = -len(shape) < axis < len(shape) and axis != 0
    return inside and shape[axis] is not None and shape[axis] <= LONGEST_ROW


def softmax_arguments(layer: keras.Operation) -> dict | None:
    """Return axis and scale of a layer that computes a softmax over one axis, None for others."""
    if type(layer) is ScaledSoftmax:
        return {"axis": layer.axis, "scale": layer.scale}
    if type(layer) is L.Softmax and isinstance(layer.axis, int):
        return {"axis": layer.axis, "scale": 1.0}
    is_activation = type(layer) is L.Activation and activation_name(layer) == "softmax"
    return {"axis": -1, "scale": 1.0} if is_activation else None
