"""An elementwise function as a table of the codes of its input."""

import functools

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.functions import EXPONENTS, function_of, tabulated
from keras_alt.numerics.function import lookup
from keras_alt.quantizer import InFloat32
from keras_alt.record import CarriesRecord


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantFunction(CarriesRecord, InFloat32, keras.layers.Layer):
    """Maps each code of a quantized tensor by a table of an elementwise function.

    The values are those of float64, rounded to float32, on every backend. The gradient is that of
    the function. The quantizer behind rounds the values, so that an engine needs one table of
    `2**bits` codes for both.

    Args:
        function: Keras layer or operator that `keras_alt.functions.function_of` knows.
        format: `FixedPoint` of the input.
    """

    def __init__(self, function: keras.Operation, format: FixedPoint, **kwargs):
        super().__init__(**kwargs)
        if function_of(function) is None:
            raise ValueError(
                "`function` must be elementwise, without weights, and known: register it by "
                f"`keras_alt.register`. Received: function={function!r}"
            )
        self.function = function
        self.format = format

    @functools.cached_property
    def tables(self):
        """Values and slopes, float32 arrays of a row for each exponent."""
        return tabulated(function_of(self.function), self.format)

    def build(self, input_shape=None):
        self.built = True

    def call(self, inputs, input_exponent, training=None):
        """Return the function of `inputs`, which lie on the grid with step `2**input_exponent`."""
        row = ops.cast(input_exponent - (EXPONENTS.start - 1), "int32")
        row = ops.clip(row, 0, len(EXPONENTS) + 1)
        values, slopes = (ops.take(ops.convert_to_tensor(t), row, axis=0) for t in self.tables)
        return lookup(inputs, input_exponent, values, slopes, self.format.qmin, bool(training))

    def values(self, exponent: int):
        """Return the values of all codes, lowest first, on the grid with step `2**exponent`."""
        row = min(max(exponent - (EXPONENTS.start - 1), 0), len(EXPONENTS) + 1)
        return self.tables[0][row]

    def compute_output_spec(self, inputs, input_exponent, training=None):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "function": keras.saving.serialize_keras_object(self.function),
            "format": keras.saving.serialize_keras_object(self.format),
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("function", "format")
        }
        return cls(**{**config, **parts})
