"""The mask that holds pruned weights at zero."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_alt")
class KernelMask(keras.layers.Layer):
    """Multiplies a kernel by a mask of its shape, which does not train.

    What the mask hides has no gradient, and its code is 0 whatever an optimizer does to it.
    """

    def build(self, input_shape):
        self.mask = self.add_weight(
            name="mask",
            shape=input_shape,
            dtype="bool",
            initializer="ones",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def call(self, kernel):
        return kernel * ops.cast(self.mask.value, kernel.dtype)
