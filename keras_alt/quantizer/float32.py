"""The rule that codes are computed in float32."""

import keras
import numpy as np
from keras import ops

from keras_alt.keras_internals import (
    keep_timestep_mask,
    operation_behind,
    take_arguments_as_they_are,
    timestep_mask,
)
from keras_alt.precision import SHORT


class InFloat32:
    """Mixin in front of a Keras layer: computes codes in float32, or refuses to.

    Half floats have 11 or 8 significant bits. That is too few for the codes of biases and sums, so
    the deployed integers would differ from the trained ones. Under a mixed policy the variables are
    float32, so the layer computes in float32 too. Other policies are refused: 16 bits do not hold
    thresholds and weights, and doubles gain nothing, because quantizers round them to float32. The
    check runs on call, because Keras hides the errors that a constructor raises in `from_config`.
    """

    needs_float32 = True  # whether the layer computes codes
    takes_floats = False  # whether it takes what a float layer computes, and not only codes

    @property
    def compute_dtype(self):
        dtype = super().compute_dtype
        is_mixed = dtype in SHORT and self.variable_dtype == "float32"
        return "float32" if is_mixed and self.needs_float32 else dtype

    def __call__(self, inputs, *args, **kwargs):
        if self.needs_float32:
            _require_float32(self, self.compute_dtype)
            source = operation_behind(inputs)
            if source is not None and not isinstance(source, keras.layers.InputLayer):
                has_float32 = getattr(source, "variable_dtype", "float32") == "float32"
                if not (self.takes_floats and has_float32 and inputs.dtype in SHORT):
                    _require_float32(source, inputs.dtype)
            take_arguments_as_they_are(self)
            inputs, *args = (_as_keras_takes_it(self, given) for given in (inputs, *args))
            kwargs = {name: _as_tensor(self, given) for name, given in kwargs.items()}
        return super().__call__(inputs, *args, **kwargs)


def _as_keras_takes_it(layer, inputs):
    """Return `inputs` as a tensor of the type that Keras would make of it for `layer`."""
    is_tensor = ops.is_tensor(inputs) or keras.backend.is_keras_tensor(inputs)
    if is_tensor and keras.backend.standardize_dtype(inputs.dtype) == layer.input_dtype:
        return inputs
    tensor = layer.dtype_policy.convert_input(inputs, layer.autocast, layer.input_dtype)
    keep_timestep_mask(tensor, timestep_mask(inputs))
    return tensor


def _as_tensor(layer, given):
    return _as_keras_takes_it(layer, given) if isinstance(given, np.ndarray | np.generic) else given


def _require_float32(layer, dtype):
    is_quantized = getattr(layer, "quantization_mode", None) is not None
    if is_quantized or dtype in (*SHORT, "float64"):
        policy = f", dtype_policy={layer.dtype_policy.name!r}" if is_quantized else ""
        raise ValueError(
            "Quantized layers, and what they read, are float32, which holds their codes exactly. "
            f"Received: dtype={dtype!r}{policy}, layer '{layer.name}' of type "
            f"{type(layer).__name__}. "
            "Give the network `dtype='float32'`: new layers by "
            "`keras.config.set_dtype_policy('float32')`, those of a model by "
            "`layer.dtype_policy = 'float32'` before it is quantized."
        )
