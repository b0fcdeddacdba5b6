"""An elementwise function as a table of the codes of its input."""

import functools

import keras

from keras_alt.formats import FixedPoint
from keras_alt.functions import function_of, tabulated
from keras_alt.layers.holds_function import HoldsFunction
from keras_alt.layers.tabulated import Tabulated
from keras_alt.numerics.function import lookup


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantFunction(HoldsFunction, Tabulated):
    """Maps each code of a quantized tensor by a table of an elementwise function.

    The values are those of float64, rounded to float32, on every backend. The gradient is that of
    the function. The quantizer behind rounds the values, so that an engine needs one table of
    `2**bits` codes for both.

    Args:
        function: Keras layer or operator that `keras_alt.functions.function_of` knows.
        format: `FixedPoint` of the input.
    """

    def __init__(self, function: keras.Operation, format: FixedPoint, **kwargs):
        super().__init__(format, **kwargs)
        if function_of(function) is None:
            raise ValueError(
                "`function` must be elementwise, without weights, and known: register it by "
                f"`keras_alt.register`. Received: function={function!r}"
            )
        self.function = function

    @functools.cached_property
    def tables(self):
        """Values and slopes, float32 arrays of a row for each exponent."""
        return tabulated(function_of(self.function), self.format)

    def call(self, inputs, input_exponent, training=None):
        """Return the function of `inputs`, which lie on the grid with step `2**input_exponent`."""
        values, slopes = (self.chosen(table, input_exponent) for table in self.tables)
        return lookup(inputs, input_exponent, values, slopes, self.format.qmin, bool(training))

    def values(self, exponent: int):
        """Return the values of all codes, lowest first, on the grid with step `2**exponent`."""
        return self.tables[0][self.row(exponent)]
