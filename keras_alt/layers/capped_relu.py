"""A ReLU with an upper bound for each channel."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_alt")
class CappedReLU(keras.layers.Layer):
    """Clips each channel to [0, cap]: `min(max(x, 0), caps)`.

    Equalization turns ReLU6 into it, because a channel that is scaled by 4 ends at 24. The caps are
    a variable that does not train, of shape (channels,).

    Args:
        **kwargs: as for `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.caps = self.add_weight(
            name="caps", shape=input_shape[-1:], initializer="ones", trainable=False
        )
        self.built = True

    def call(self, inputs):
        return ops.minimum(ops.relu(inputs), self.caps)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        # Keras' default refuses a `dtype` that is given as a policy.
        return super().get_config()

    def upper_bounds(self) -> np.ndarray:
        """Return the caps as an array."""
        return ops.convert_to_numpy(self.caps)
