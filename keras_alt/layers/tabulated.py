"""What layers that read tables of their input's codes have in common."""

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.functions import EXPONENTS
from keras_alt.quantizer import InFloat32
from keras_alt.record import CarriesRecord


class Tabulated(CarriesRecord, InFloat32, keras.layers.Layer):
    """Reads tables that have a row for each exponent of the input's grid.

    The step of the input trains, so the row is chosen when the layer is called.

    Args:
        format: `FixedPoint` of the input.
    """

    def __init__(self, format: FixedPoint, **kwargs):
        super().__init__(**kwargs)
        self.format = format

    def build(self, input_shape=None):
        self.built = True

    @staticmethod
    def row(exponent: int) -> int:
        """Return the row for a grid with step `2**exponent`."""
        return min(max(exponent - (EXPONENTS.start - 1), 0), len(EXPONENTS) + 1)

    @staticmethod
    def chosen(table, exponent):
        """Return the row of a table for a grid with step `2**exponent`, a float scalar tensor."""
        row = ops.cast(exponent - (EXPONENTS.start - 1), "int32")
        row = ops.clip(row, 0, len(EXPONENTS) + 1)
        return ops.take(ops.convert_to_tensor(table), row, axis=0)

    def compute_output_spec(self, inputs, input_exponent, training=None):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        format = keras.saving.serialize_keras_object(self.format)
        return {**super().get_config(), "format": format}

    @classmethod
    def from_config(cls, config):
        format = keras.saving.deserialize_keras_object(config["format"])
        return cls(**{**config, "format": format})
