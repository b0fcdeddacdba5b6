"""The mask that holds pruned weights at zero."""

import keras
from keras import ops

from keras_alt.sparsity import checked_mask


@keras.saving.register_keras_serializable(package="keras_alt")
class KernelMask(keras.layers.Layer):
    """Multiplies a kernel by a mask of its shape, which does not train, in the kernel's type.

    A weight that the mask hides has no gradient, and its code is 0 under any optimizer.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "autocast": False, "dtype": "float32"})

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

    def hide(self, mask, kernel: keras.Variable, name: str):
        """Set the mask, a boolean array, and the weights of `kernel` that it hides to 0.

        Args:
            name: of the kernel, for the error.

        Raises:
            ValueError: the mask is no array of that shape.
        """
        self.mask.assign(checked_mask(mask, kernel.shape, name))
        kernel.assign(self(kernel))
