"""The matrix product of two tensors as a layer."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_alt")
class Matmul(keras.layers.Layer):
    """Multiplies the matrices of two tensors: (..., T, D) by (..., D, S) gives (..., T, S).

    It is `keras.ops.matmul` of tensors with equal axes in front of the matrices. Operators such as
    `keras.ops.einsum` and the products of an attention layer are written with it.
    """

    def build(self, input_shape):
        self.built = True

    def call(self, inputs):
        first, second = inputs
        return ops.matmul(first, second)

    def compute_output_shape(self, input_shape):
        first, second = input_shape
        return (*first[:-1], second[-1])

    def get_config(self):
        # Keras' own default refuses a `dtype` given as a policy.
        return super().get_config()
