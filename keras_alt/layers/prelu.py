"""The quantized ReLU with trained slopes."""

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
class QuantPReLU(CarriesRecord, InFloat32, keras.layers.PReLU):
    """`PReLU` as `q8(max(x, 0) + q16(q16(alpha) * min(x, 0)))`, where `x` is in 16 bits.

    Input and product share one threshold. One of the two terms is always zero, so their sum needs
    no more bits than they have. This form is made of operators that every engine computes alike:
    LiteRT's own PRELU rounds twice.

    Args:
        internal_bits: width of slopes, input and product, or None for float.
        activation_bits: width of the output (signed), or None for float.
        initial_threshold: clipping threshold of the output.
        rounding: of the input; name of a rule in `keras_alt.numerics.rounding`.
        product_rounding: of the product with the slopes.
        trainable_thresholds: whether the thresholds train.
        **kwargs: as in `keras.layers.PReLU`.
    """

    def __init__(
        self,
        *,
        internal_bits: int | None = 16,
        activation_bits: int | None = 8,
        initial_threshold: float | None = None,
        rounding: str = "half_even",
        product_rounding: str = "half_even",
        trainable_thresholds: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.trainable_thresholds = trainable_thresholds
        self.internal_bits = internal_bits
        self.activation_bits = activation_bits
        self.initial_threshold = initial_threshold
        require_rounding("rounding", rounding)
        require_rounding("product_rounding", product_rounding)
        self.rounding, self.product_rounding = rounding, product_rounding
        initial = 1.0 if initial_threshold is None else initial_threshold
        format = None if internal_bits is None else FixedPoint(internal_bits)
        self.input_quantizer = child_quantizer(
            self, "input", format, ACCUMULATOR_HEADROOM * initial
        )
        self.slope_quantizer = child_quantizer(self, "slope", format, 1.0)
        output = None if activation_bits is None else FixedPoint(activation_bits)
        self.activation_quantizer = child_quantizer(self, "activation", output, initial)

    @property
    def needs_float32(self) -> bool:
        return bool(quantizers_of(self))

    def constants(self) -> list:
        """Return `(quantizer, tensor)` for the slopes."""
        return [] if self.slope_quantizer is None else [(self.slope_quantizer, self.alpha)]

    def build(self, input_shape):
        super().build(input_shape)
        for quantizer in (self.input_quantizer, self.slope_quantizer, self.activation_quantizer):
            build_child(quantizer)

    def call(self, inputs, input_exponents=(), halvings=0, training=None):
        """Return the ReLU; `input_exponents` and `halvings` are those of `Quantizer`."""
        if self.input_quantizer is None:
            y = super().call(inputs)
        else:
            rules = {"input_exponents": input_exponents, "halvings": halvings}
            x = self.input_quantizer(inputs, rounding=self.rounding, training=training, **rules)
            slope = self.slope_quantizer(self.alpha, training=training)
            product = rounded_product(self, slope, ops.minimum(x, 0.0), training)
            y = ops.relu(x) + product
        if self.activation_quantizer is not None:
            y = self.activation_quantizer(y, training=training)
        return y

    def get_config(self):
        config = {
            **super().get_config(),
            "internal_bits": self.internal_bits,
            "activation_bits": self.activation_bits,
        }
        if self.initial_threshold is not None:
            config["initial_threshold"] = self.initial_threshold
        if self.rounding != "half_even":
            config["rounding"] = self.rounding
        if self.product_rounding != "half_even":
            config["product_rounding"] = self.product_rounding
        if not has_trainable_thresholds(self):
            config["trainable_thresholds"] = False
        return config
