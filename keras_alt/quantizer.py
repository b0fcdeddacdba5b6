"""The layer that owns one trained clipping threshold."""

import math

import keras
import numpy as np
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.keras_internals import operation_behind, sublayers
from keras_alt.numerics.closed_form import rectified
from keras_alt.numerics.fake_quant import (
    exponent_of,
    fake_quant,
    fake_quant_sum,
    remembered_sum,
)
from keras_alt.origin import require_keras3

RELU_MAX = {None: None, "linear": None, "relu": math.inf, "relu6": 6.0}


class InFloat32:
    """Mixin in front of a Keras layer: with widths, it is called in a float32 network only.

    Half floats have 11 or 8 significant bits, too few for the codes of biases and sums: the
    deployed integers would not be the trained ones. Doubles gain nothing, for quantizers round them
    to float32. The constructor is not the place to tell, since Keras hides what `from_config`
    raises.
    """

    @property
    def needs_float32(self) -> bool:
        """Whether the layer computes codes."""
        return bool(quantizers_of(self))

    def __call__(self, inputs, *args, **kwargs):
        if self.needs_float32:
            _require_float32(self, self.compute_dtype)
            source = operation_behind(inputs)
            if source is not None and not isinstance(source, keras.layers.InputLayer):
                _require_float32(source, inputs.dtype)
        return super().__call__(inputs, *args, **kwargs)


def _require_float32(layer, dtype):
    if dtype in ("float16", "bfloat16", "float64"):
        raise ValueError(
            "Quantized layers, and what they read, are float32, which holds their codes exactly. "
            f"Received: dtype={dtype!r}, layer '{layer.name}' of type {type(layer).__name__}. "
            "Give the network `dtype='float32'`: new layers by "
            "`keras.config.set_dtype_policy('float32')`, those of a model by "
            "`layer.dtype_policy = 'float32'` before it is quantized."
        )


@keras.saving.register_keras_serializable(package="keras_alt")
class Quantizer(InFloat32, keras.layers.Layer):
    """Fake-quantizes its input; the log2 of its clipping threshold is a trained variable.

    It is private to one layer, or a node of the graph; called on several tensors it gives them
    one scale. Gradients follow `keras_alt.fake_quant`. A threshold that is not set is NaN, and so
    is every output then: nothing uncalibrated passes for a result.

    Args:
        format: `FixedPoint`.
        activation: `None`, `"relu"` or `"relu6"`, applied in the same pass in front of the
            rounding.
        initial_threshold: clipping threshold in the units of the input, or `None` to leave it
            to `keras_alt.calibrate`.
        role: what the quantized tensor is to its layer (`"kernel"`, `"bias"`, `"output"`, ...).
    """

    def __init__(
        self,
        format: FixedPoint,
        *,
        activation: str | None = None,
        initial_threshold: float | None = None,
        role: str = "output",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(format, FixedPoint):
            raise TypeError(
                "`format` must be a `keras_alt.FixedPoint`. "
                f"Received: format={format!r} (of type {type(format).__name__})"
            )
        if activation not in RELU_MAX:
            raise ValueError(
                f"`activation` must be one of {list(RELU_MAX)}; other functions are layers in "
                f"front of the Quantizer. Received: activation={activation!r}"
            )
        if initial_threshold is not None:
            initial_threshold = checked_threshold(initial_threshold, self.name)
        self.format = format
        self.activation = activation
        self.initial_threshold = initial_threshold
        self.role = role
        value = math.nan if initial_threshold is None else float(np.log2(initial_threshold))
        self.initializer = keras.initializers.Constant(value)  # of the log2 threshold
        self.observer = None  # called with (quantizer, values) while `calibrate` watches
        self.supports_masking = True

    def build(self, input_shape=None):
        self.log2_threshold = self.add_weight(
            name="log2_threshold",
            shape=(),
            dtype="float32",
            autocast=False,
            initializer=self.initializer,
        )
        # Saved with the model, so that a frozen threshold stays so after a reload.
        self.frozen = self.add_weight(
            name="frozen",
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def call(
        self, inputs, activation=None, rounding="half_even", with_exponent=False, training=None
    ):
        """Quantize `inputs`; `rounding` belongs to the operation that computed them.

        Args:
            inputs: float tensor.
            activation: overrides the constructor's, for tensors that share one threshold.
            rounding: name of a rule in `keras_alt.numerics.rounding`.
            with_exponent: whether to return `(y, exponent)`, where `2**exponent` is the scale.
        """
        if self.observer is not None:
            self.observe(inputs, activation)
        log2_threshold = self.trained_log2_threshold()
        relu_max = RELU_MAX[activation or self.activation]
        terms = remembered_sum(inputs) if training else None
        if terms is not None:
            y = fake_quant_sum(terms, log2_threshold, (self.format, rounding, relu_max))
        else:
            y = fake_quant(
                inputs,
                log2_threshold,
                self.format,
                rounding=rounding,
                relu_max=relu_max,
                fused=bool(training),
            )
        if with_exponent:
            return y, ops.stop_gradient(exponent_of(log2_threshold, self.format))
        return y

    def trained_log2_threshold(self):
        """Return the variable's value, through which no gradient flows while it is frozen."""
        log2_threshold = self.log2_threshold.value
        return ops.where(self.frozen.value, ops.stop_gradient(log2_threshold), log2_threshold)

    def threshold_and_rules(self):
        """Return `(log2_threshold, (format, rounding, relu_max))` of an ordinary call."""
        steps = (self.format, "half_even", RELU_MAX[self.activation])
        return self.trained_log2_threshold(), steps

    def compute_output_spec(
        self, inputs, activation=None, rounding="half_even", with_exponent=False, training=None
    ):
        y = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return (y, keras.KerasTensor((), dtype="float32")) if with_exponent else y

    def observe(self, inputs, activation=None):
        """Show the observer, if there is one, the values that would be rounded."""
        inputs = ops.cast(inputs, "float32")
        self.observer(self, rectified(inputs, RELU_MAX[activation or self.activation]))

    def set_threshold(self, threshold: float):
        """Set the clipping threshold, in the units of the quantized tensor."""
        # np.log2, because log(x) / log(2) in float32 misses 23 of 254 exact powers of two.
        self.log2_threshold.assign(np.float32(np.log2(checked_threshold(threshold, self.name))))

    @property
    def threshold(self) -> float:
        """The clipping threshold, NaN while it is not set."""
        return 2.0 ** float(ops.convert_to_numpy(self.log2_threshold.value))

    @property
    def calibrated(self) -> bool:
        """Whether the threshold is set."""
        return math.isfinite(self.threshold)

    @property
    def exponent(self) -> int:
        """log2 of the scale: the value of a code `c` is `c * 2**exponent`."""
        if not self.calibrated:
            raise ValueError(
                f"The scale of quantizer '{self.name}' is not known before its threshold is set: "
                "call `keras_alt.calibrate(model, data)`. "
                f"Received: log2_threshold={float(ops.convert_to_numpy(self.log2_threshold.value))}"
            )
        return self.format.scale_exponent(float(ops.convert_to_numpy(self.log2_threshold.value)))

    def get_config(self):
        return {
            **super().get_config(),
            "format": keras.saving.serialize_keras_object(self.format),
            "activation": self.activation,
            "initial_threshold": self.initial_threshold,
            "role": self.role,
        }

    @classmethod
    def from_config(cls, config):
        format = keras.saving.deserialize_keras_object(config["format"])
        return cls(**{**config, "format": format})


def checked_threshold(threshold, name):
    threshold = float(threshold)
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(
            f"A clipping threshold must be positive and finite (quantizer '{name}'). "
            f"Received: threshold={threshold}"
        )
    return threshold


def quantizers(model: keras.Model) -> dict[str, Quantizer]:
    """Return the quantizers of `model` in the order of its layers, by `<layer>/<role>`.

    Raises:
        TypeError: the model is of tf_keras.
    """
    require_keras3(model)
    found = {}
    for layer in sublayers(model):
        for quantizer in quantizers_of(layer):
            found.setdefault(quantizer_name(layer, quantizer), quantizer)
    return found


def trained_quantizers(model: keras.Model) -> list[Quantizer]:
    """Return the quantizers whose threshold is among the trainable variables of `model`."""
    trainable = {id(variable) for variable in model.trainable_variables}
    return [q for q in quantizers(model).values() if id(q.log2_threshold) in trainable]


def quantizer_name(layer, quantizer: Quantizer) -> str:
    """Return `<layer>/<role>`; a graph node is named `<layer>__<role>`."""
    if layer is quantizer:
        owner, _, role = quantizer.name.rpartition("__")
        return f"{owner}/{role}" if owner else quantizer.name
    return f"{layer.name}/{quantizer.role}"


def quantizers_of(layer) -> list[Quantizer]:
    """Return the quantizers of one layer: itself, or its children."""
    if isinstance(layer, Quantizer):
        return [layer]
    return [q for child in sublayers(layer) for q in quantizers_of(child)]
