"""The quantized fully connected layer."""

import keras
from keras import ops

from keras_alt.layers.kernel import QuantizedKernel


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantDense(QuantizedKernel, keras.layers.Dense):
    """`Dense` with quantized kernel, sum, bias and output. Args: see `QuantizedKernel`, `Dense`."""

    def linear(self, inputs, kernel):
        return ops.matmul(inputs, kernel)
