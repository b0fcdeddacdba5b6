"""The quantized leaky ReLU."""

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.layers.bias_rule import ACCUMULATOR_HEADROOM
from keras_alt.layers.child_quantizers import (
    build_child,
    child_quantizer,
    has_trainable_thresholds,
)
from keras_alt.layers.slope_product import rounded_product
from keras_alt.numerics.rounding import require_rounding
from keras_alt.quantizer import InFloat32, quantizers_of
from keras_alt.record import CarriesRecord


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantLeakyReLU(CarriesRecord, InFloat32, keras.layers.LeakyReLU):
    """`LeakyReLU` in the paper's precision: `q8(max(q16(x), q16(q16(slope) * q16(x))))`.

    Both operands of the maximum share one threshold. The slope is a constant, and its threshold is
    its value.

    Args:
        negative_slope: as in `keras.layers.LeakyReLU`.
        internal_bits: width of the slope and of both operands, or None for float.
        activation_bits: width of the output (signed), or None for float.
        initial_threshold: clipping threshold of the output.
        max_value: upper bound of the output, or None.
        rounding: of the input; name of a rule in `keras_alt.numerics.rounding`.
        product_rounding: of the product with the slope.
        trainable_thresholds: whether the thresholds of the operands and the output train.
    """

    def __init__(
        self,
        negative_slope=0.3,
        *,
        internal_bits: int | None = 16,
        activation_bits: int | None = 8,
        initial_threshold: float | None = None,
        max_value: float | None = None,
        rounding: str = "half_even",
        product_rounding: str = "half_even",
        trainable_thresholds: bool = True,
        **kwargs,
    ):
        super().__init__(negative_slope=negative_slope, **kwargs)
        self.internal_bits = internal_bits
        self.activation_bits = activation_bits
        self.initial_threshold = initial_threshold
        self.max_value = max_value
        require_rounding("rounding", rounding)
        require_rounding("product_rounding", product_rounding)
        self.rounding, self.product_rounding = rounding, product_rounding
        self.trainable_thresholds = trainable_thresholds
        initial = 1.0 if initial_threshold is None else initial_threshold
        self.input_quantizer = self.slope_quantizer = self.activation_quantizer = None
        if internal_bits is not None:
            format = FixedPoint(internal_bits)
            self.input_quantizer = child_quantizer(
                self, "input", format, ACCUMULATOR_HEADROOM * initial
            )
            # Any threshold represents a slope of 0, which has no magnitude of its own.
            self.slope_quantizer = child_quantizer(self, "slope", format, negative_slope or 1.0)
            self.slope_quantizer.trainable = False
        if activation_bits is not None:
            self.activation_quantizer = child_quantizer(
                self, "activation", FixedPoint(activation_bits), initial
            )

    @property
    def needs_float32(self) -> bool:
        return bool(quantizers_of(self))

    def constants(self) -> list:
        """Return `(quantizer, tensor)` for the slope."""
        if self.slope_quantizer is None:
            return []
        return [(self.slope_quantizer, ops.convert_to_tensor(self.negative_slope, "float32"))]

    def build(self, input_shape):
        for quantizer in (self.input_quantizer, self.slope_quantizer, self.activation_quantizer):
            build_child(quantizer)
        self.built = True

    def call(self, inputs, input_exponents=(), halvings=0, with_exponent=False, training=None):
        """Return the leaky ReLU, and log2 of the step of its grid if `with_exponent`.

        `input_exponents` and `halvings` are those of `Quantizer`, for the input.
        """
        exponent = None
        if self.input_quantizer is None:
            y = super().call(inputs)
        else:
            rules = {"input_exponents": input_exponents, "halvings": halvings}
            x = self.input_quantizer(inputs, rounding=self.rounding, training=training, **rules)
            slope = self.slope_quantizer(ops.convert_to_tensor(self.negative_slope, dtype=x.dtype))
            y = ops.maximum(x, rounded_product(self, slope, x, training))
            exponent = self.input_quantizer.exponent_tensor()
        if self.max_value is not None:
            y = ops.minimum(y, self.max_value)
        if self.activation_quantizer is not None:
            y = self.activation_quantizer(y, training=training)
        return (y, exponent) if with_exponent else y

    def compute_output_spec(self, inputs, with_exponent=False, **arguments):
        y = super().compute_output_spec(inputs)
        return (y, keras.KerasTensor((), dtype="float32")) if with_exponent else y

    def get_config(self):
        config = {
            **super().get_config(),
            "internal_bits": self.internal_bits,
            "activation_bits": self.activation_bits,
        }
        if self.initial_threshold is not None:
            config["initial_threshold"] = self.initial_threshold
        if self.max_value is not None:
            config["max_value"] = self.max_value
        if self.rounding != "half_even":
            config["rounding"] = self.rounding
        if self.product_rounding != "half_even":
            config["product_rounding"] = self.product_rounding
        if not has_trainable_thresholds(self):
            config["trainable_thresholds"] = False
        return config
