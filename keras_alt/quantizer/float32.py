"""The check that codes are computed in float32."""

import keras

from keras_alt.keras_internals import operation_behind


class InFloat32:
    """Mixin in front of a Keras layer: refuses other floats where the layer computes codes.

    Half floats have 11 or 8 significant bits. That is too few for the codes of biases and sums, so
    the deployed integers would differ from the trained ones. Doubles gain nothing, because
    quantizers round them to float32. The check runs on call, because Keras hides the errors that a
    constructor raises in `from_config`.
    """

    needs_float32 = True  # whether the layer computes codes

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
