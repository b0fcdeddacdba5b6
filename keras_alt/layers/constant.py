"""An array as an operand of merges."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_alt")
class ConstantTensor(keras.layers.Layer):
    """Gives the same array for each sample, such as the position embedding of a transformer.

    The array is a weight that does not train. As a tensor it can be quantized like any operand of
    an addition or a product.

    Args:
        shape: of the array, without the samples.
    """

    def __init__(self, shape: tuple, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape=None):
        self.value = self.add_weight(
            shape=self.shape, initializer="zeros", trainable=False, name="value"
        )
        self.built = True

    def call(self, inputs):
        """Return the array once for each sample of `inputs`."""
        value = ops.cast(self.value, self.compute_dtype)
        return ops.broadcast_to(value, (ops.shape(inputs)[0], *self.shape))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], *self.shape), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape}
