"""The layer that owns one trained clipping threshold."""

import math
from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras import ops

from keras_alt.activations import RELU_MAX
from keras_alt.choices import is_choice
from keras_alt.formats import FixedPoint
from keras_alt.numerics.closed_form import rectified
from keras_alt.numerics.function import (
    exponent_of,
    fake_quant,
    fake_quant_sum,
    held,
    remembered_sum,
)
from keras_alt.quantizer.float32 import InFloat32
from keras_alt.quantizer.uncalibrated import UNSET, require_calibrated
from keras_alt.record import CarriesRecord

LOWEST_EXPONENT = -126  # of normal numbers in float32


@keras.saving.register_keras_serializable(package="keras_alt")
class Quantizer(CarriesRecord, InFloat32, keras.layers.Layer):
    """Fake-quantizes its input; the log2 of its clipping threshold is a trained variable.

    A quantizer belongs to one layer, or is a node of the graph. If it is called on several tensors,
    they share its scale. Gradients follow `keras_alt.fake_quant`. While the threshold is not
    set, every output and every gradient is NaN: nothing uncalibrated passes for a result.

    Args:
        format: `FixedPoint`.
        activation: `None`, `"relu"` or `"relu6"`; applied before the rounding, in the same pass.
        initial_threshold: clipping threshold in the units of the input, or `None` to let
            `keras_alt.calibrate` set it.
        role: what the quantized tensor is to its layer (`"kernel"`, `"bias"`, `"output"`, ...).
        channel_axes: axes of the quantized tensor along which each position has a threshold of its
            own. Then `log2_threshold` has the rank of the tensor, and size 1 along other axes. By
            default the tensor has one threshold.
    """

    takes_floats = True

    def __init__(
        self,
        format: FixedPoint,
        *,
        activation: str | None = None,
        initial_threshold: float | None = None,
        role: str = "output",
        channel_axes: Sequence[int] = (),
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(format, FixedPoint):
            raise TypeError(
                "`format` must be a `keras_alt.FixedPoint`. "
                f"Received: format={format!r} (of type {type(format).__name__})"
            )
        if not is_choice(activation, RELU_MAX):
            raise ValueError(
                f"`activation` must be one of {list(RELU_MAX)}; put any other function in a "
                f"layer in front of the Quantizer. Received: activation={activation!r}"
            )
        if not isinstance(role, str):
            raise TypeError(
                f"`role` must be a string, such as 'kernel' or 'output'. Received: role={role!r}"
            )
        axes = tuple(channel_axes) if isinstance(channel_axes, Iterable) else (None,)
        if not all(isinstance(axis, int) for axis in axes):
            raise TypeError(
                "`channel_axes` must be a sequence of axes, such as (-1,). "
                f"Received: channel_axes={channel_axes!r}"
            )
        if initial_threshold is not None:
            initial_threshold = checked_threshold(initial_threshold, self.name)
            _require_grid(initial_threshold, format, self.name)
            _require_float32(initial_threshold, self.name)
        self.format = format
        self.activation = activation
        self.initial_threshold = initial_threshold
        self.role = role
        self.channel_axes = axes
        value = UNSET if initial_threshold is None else float(np.log2(initial_threshold))
        self.initializer = keras.initializers.Constant(value)  # of the log2 threshold
        self.checked_for_training = False  # in the first call that trains
        self.observer = None  # `observed` sets it: called with (quantizer, values)
        self.claimed_by = None  # the function that alone may set the observer now
        self.supports_masking = True

    def build(self, input_shape=None):
        self.log2_threshold = self.add_weight(
            name="log2_threshold",
            shape=self._threshold_shape(input_shape),
            dtype="float32",
            autocast=False,
            initializer=self.initializer,
        )
        # A variable, so that a frozen threshold is still frozen after a reload.
        self.frozen = self.add_weight(
            name="frozen",
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def _threshold_shape(self, input_shape):
        if not self.channel_axes:
            return ()
        rank = len(input_shape)
        channels = {axis % rank for axis in self.channel_axes}
        return tuple(size if axis in channels else 1 for axis, size in enumerate(input_shape))

    def call(
        self,
        inputs,
        activation=None,
        rounding="half_even",
        with_exponent=False,
        input_exponents=(),
        halvings=0,
        training=None,
    ):
        """Quantize `inputs`.

        Args:
            inputs: float tensor.
            activation: replaces the constructor's, for tensors that share one threshold.
            rounding: name of a rule in `keras_alt.numerics.rounding`: that of the operation which
                computed `inputs`.
            with_exponent: whether to return `(y, exponent)` from a node of the graph.
            input_exponents, halvings: scalar tensors and an integer. The sum of the tensors minus
                the integer is log2 of the step of the grid that `inputs` lie on;
                `rounding="double"` needs it.
        """
        # `with_exponent` changes what is returned, because saved graphs hold it: one node has to
        # give both tensors. A layer calls its child quantizer and then `exponent_tensor()`.
        if self.observer is not None:
            self.observe(inputs, activation)
        if training and not self.checked_for_training:
            require_calibrated([self.log2_threshold])
            self.checked_for_training = True
        log2_threshold = self.trained_log2_threshold()
        relu_max = RELU_MAX[activation or self.activation]
        exponent = sum(input_exponents) - halvings if len(input_exponents) else None
        terms = remembered_sum(inputs) if training else None
        if terms is not None:
            y = fake_quant_sum(terms, log2_threshold, (self.format, rounding, relu_max), exponent)
        else:
            y = fake_quant(
                inputs,
                log2_threshold,
                self.format,
                rounding=rounding,
                relu_max=relu_max,
                training=bool(training),
                exponent=exponent,
            )
        return (y, self.exponent_tensor()) if with_exponent else y

    def exponent_tensor(self):
        """Return `exponent` as a float32 tensor without gradient."""
        return exponent_of(self.log2_threshold.value, self.format)

    def trained_log2_threshold(self):
        """Return the value of the variable; no gradient flows through it while it is frozen."""
        return held(self.log2_threshold.value, self.frozen.value)

    def threshold_and_rules(self):
        """Return `(log2_threshold, (format, rounding, relu_max))` of a call with the defaults."""
        rules = (self.format, "half_even", RELU_MAX[self.activation])
        return self.trained_log2_threshold(), rules

    def compute_output_spec(self, inputs, with_exponent=False, **rules):
        y = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return (y, keras.KerasTensor((), dtype="float32")) if with_exponent else y

    def observe(self, inputs, activation=None):
        """Show the observer the values that would be rounded."""
        inputs = ops.cast(inputs, "float32")
        self.observer(self, rectified(inputs, RELU_MAX[activation or self.activation]))

    def set_threshold(self, threshold: float | np.ndarray):
        """Set the clipping threshold, in the units of the quantized tensor.

        Args:
            threshold: a number, or an array in a shape that broadcasts to that of `log2_threshold`.

        Raises:
            ValueError: it is not positive and finite, below `least_threshold`, or no float32.
        """
        try:
            thresholds = np.broadcast_to(threshold, self.log2_threshold.shape)
        except ValueError as error:
            raise ValueError(
                f"Quantizer '{self.name}' has thresholds of shape {self.log2_threshold.shape}. "
                f"Received: threshold={threshold!r}"
            ) from error
        checked = [checked_threshold(value, self.name) for value in thresholds.flat]
        _require_grid(min(checked), self.format, self.name)
        _require_float32(max(checked), self.name)
        # np.log2, because log(x) / log(2) in float32 misses 23 of 254 exact powers of two.
        log2_threshold = np.log2(np.array(checked)).astype(np.float32)
        self.log2_threshold.assign(log2_threshold.reshape(thresholds.shape))

    @property
    def threshold(self) -> float | np.ndarray:
        """The clipping threshold, NaN while it is not set.

        It is an array in the shape of `log2_threshold` if the channels have thresholds of their
        own.
        """
        values = self._log2_thresholds()
        known = np.where(np.isfinite(values), values, math.nan)
        return 2.0 ** (known if self.channel_axes else float(known))

    @property
    def least_threshold(self) -> float:
        """The least threshold whose scale is a normal number of float32; below, outputs are NaN."""
        return least_threshold(self.format)

    @property
    def calibrated(self) -> bool:
        """Whether the threshold is set."""
        return bool(np.isfinite(self._log2_thresholds()).all())

    def _log2_thresholds(self):
        values = ops.convert_to_numpy(self.log2_threshold)
        return values.astype(np.float64) if self.channel_axes else float(values)

    @property
    def exponent(self) -> int | np.ndarray:
        """log2 of the scale; code `c` stands for `c * 2**exponent`. An array as `threshold` is."""
        log2_threshold = self._log2_thresholds()
        if not self.calibrated:
            raise ValueError(
                f"The scale of quantizer '{self.name}' is not known before its threshold is set: "
                "call `keras_alt.calibrate(model, data)`. "
                f"Received: threshold={self.threshold}"
            )
        if not self.channel_axes:
            return self.format.scale_exponent(log2_threshold)
        exponents = [self.format.scale_exponent(value) for value in log2_threshold.flat]
        return np.array(exponents).reshape(log2_threshold.shape)

    def get_config(self):
        config = {
            **super().get_config(),
            "format": keras.saving.serialize_keras_object(self.format),
            "activation": self.activation,
            "initial_threshold": self.initial_threshold,
            "role": self.role,
        }
        if self.channel_axes:
            config["channel_axes"] = self.channel_axes
        return config

    @classmethod
    def from_config(cls, config):
        format = keras.saving.deserialize_keras_object(config["format"])
        return cls(**{**config, "format": format})


def checked_threshold(threshold, name: str) -> float:
    """Return `threshold` as a float if it is positive and finite."""
    is_no_number = isinstance(threshold, (str, bytes, complex, np.complexfloating))
    try:
        value = math.nan if is_no_number else float(threshold)
    except (OverflowError, TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            f"A clipping threshold must be positive and finite (quantizer '{name}'). "
            f"Received: threshold={threshold!r}"
        )
    return value


def least_threshold(format: FixedPoint) -> float:
    """Return the least threshold that float32 has a grid for."""
    return format.levels * 2.0**LOWEST_EXPONENT


def _require_float32(threshold, name):
    largest = float(np.finfo(np.float32).max)
    if threshold > largest:
        raise ValueError(
            f"A threshold must be at most {largest:.3e}, the largest number of float32: scale the "
            f"values down (quantizer '{name}'). Received: threshold={threshold}"
        )


def _require_grid(threshold, format, name):
    if threshold < least_threshold(format):
        raise ValueError(
            f"A threshold of {format} codes must be at least {least_threshold(format)}, because "
            "float32 has no number as small as their scale would be: scale the values up "
            f"(quantizer '{name}'). Received: threshold={threshold}"
        )
