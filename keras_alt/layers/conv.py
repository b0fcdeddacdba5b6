"""The quantized convolutions."""

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.layers.child_quantizers import (
    build_child,
    child_mask,
    child_quantizer,
    initial_output_threshold,
)
from keras_alt.layers.kernel import QuantizedKernel


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantConv1D(QuantizedKernel, keras.layers.Conv1D):
    """`Conv1D` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `Conv1D`.
    """

    def linear(self, inputs, kernel):
        if self.padding != "causal":
            return _conv(self, inputs, kernel, self.padding)
        paddings = [(0, 0)] * 3
        time = 1 if self.data_format == "channels_last" else 2
        paddings[time] = (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0)
        return _conv(self, ops.pad(inputs, paddings), kernel, "valid")


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantConv2D(QuantizedKernel, keras.layers.Conv2D):
    """`Conv2D` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `Conv2D`.
    """

    def linear(self, inputs, kernel):
        return _conv(self, inputs, kernel, self.padding)


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantConv3D(QuantizedKernel, keras.layers.Conv3D):
    """`Conv3D` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `Conv3D`.
    """

    def linear(self, inputs, kernel):
        return _conv(self, inputs, kernel, self.padding)


class TransposedKernel(QuantizedKernel):
    """What the transposed convolutions share. It comes in front of the Keras class."""

    output_axes = (-2,)

    def kernels(self):
        return {"kernel": self.kernel}

    def kernel_scale(self, scale):
        return ops.reshape(scale, (-1, 1))

    def linear(self, inputs, kernel):
        return ops.conv_transpose(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantConv1DTranspose(TransposedKernel, keras.layers.Conv1DTranspose):
    """`Conv1DTranspose` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `Conv1DTranspose`.
    """


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantConv2DTranspose(TransposedKernel, keras.layers.Conv2DTranspose):
    """`Conv2DTranspose` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `Conv2DTranspose`.
    """


class DepthwiseKernel(QuantizedKernel):
    """What the depthwise convolutions share. It comes in front of the Keras class."""

    output_axes = (-2, -1)  # channel c and multiplier m give the output c * multipliers + m

    def kernels(self):
        return {"kernel": self.kernel}

    def kernel_scale(self, scale):
        return ops.reshape(scale, (-1, self.depth_multiplier))

    def linear(self, inputs, kernel):
        return _conv(self, inputs, kernel, self.padding, ops.depthwise_conv)


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantDepthwiseConv1D(DepthwiseKernel, keras.layers.DepthwiseConv1D):
    """`DepthwiseConv1D` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `DepthwiseConv1D`.
    """


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantDepthwiseConv2D(DepthwiseKernel, keras.layers.DepthwiseConv2D):
    """`DepthwiseConv2D` with quantized kernel, sum, bias and output.

    Args: see `QuantizedKernel`, `DepthwiseConv2D`.
    """


@keras.saving.register_keras_serializable(package="keras_alt")
class AveragePoolConv2D(keras.layers.DepthwiseConv2D):
    """An average pool: the depthwise convolution by the constant 1 / (height * width).

    Its kernel never trains.

    Args: see `DepthwiseConv2D`.
    """

    def __init__(self, *args, **kwargs):
        kwargs.update(use_bias=False, trainable=False)
        super().__init__(*args, **kwargs)
        cells = self.kernel_size[0] * self.kernel_size[1]
        self.depthwise_initializer = keras.initializers.Constant(1.0 / cells)


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantAveragePoolConv2D(DepthwiseKernel, AveragePoolConv2D):
    """`AveragePoolConv2D` with its reciprocal in unsigned codes (8 bits in the paper).

    Args: see `QuantizedKernel`, `AveragePoolConv2D`.
    """

    def kernel_format(self):
        return None if self.kernel_bits is None else FixedPoint(self.kernel_bits, signed=False)


@keras.saving.register_keras_serializable(package="keras_alt")
class QuantSeparableConv2D(QuantizedKernel, keras.layers.SeparableConv2D):
    """`SeparableConv2D` with both kernels, the tensor between them, sum, bias and output quantized.

    The depthwise result has `activation_bits`, as in the paper's separable convolutions.

    Args: see `QuantizedKernel`, `SeparableConv2D`; `kernel_bits` holds for both kernels.
    """

    role = "pointwise_kernel"

    def create_kernel_children(self):
        bits = self.activation_bits
        self.depthwise_kernel_quantizer = self.quantizer_of_kernel("depthwise_kernel", (-2, -1))
        self.pointwise_kernel_quantizer = self.quantizer_of_kernel("pointwise_kernel", (-1,))
        self.kernel_quantizer = self.pointwise_kernel_quantizer
        self.depthwise_kernel_mask = child_mask(self, "depthwise_kernel")
        self.pointwise_kernel_mask = child_mask(self, "pointwise_kernel")
        self.depthwise_quantizer = child_quantizer(
            self,
            "depthwise",
            None if bits is None else FixedPoint(bits),
            initial_output_threshold(self),
        )

    def kernels(self):
        return {
            "depthwise_kernel": self.depthwise_kernel,
            "pointwise_kernel": self.pointwise_kernel,
        }

    def build(self, input_shape):
        super().build(input_shape)
        build_child(self.depthwise_quantizer)

    @property
    def kernel(self):
        """The pointwise kernel, which takes part in the sum."""
        return self.pointwise_kernel

    def call(self, inputs, input_exponent=None, with_exponent=False, training=None):
        if not self.is_quantized:
            return keras.layers.SeparableConv2D.call(self, inputs)
        kernel = self.masked("depthwise_kernel", self.depthwise_kernel)
        if self.depthwise_kernel_quantizer is not None:
            kernel = self.depthwise_kernel_quantizer(kernel, training=training)
        y = _conv(self, inputs, kernel, self.padding, ops.depthwise_conv)
        if self.depthwise_quantizer is not None:
            exponent = None
            if input_exponent is not None and self.depthwise_kernel_quantizer is not None:
                exponent = input_exponent + self.depthwise_kernel_quantizer.exponent_tensor()
            y = self.rounded(self.depthwise_quantizer, y, exponent, training)
            input_exponent = self.depthwise_quantizer.exponent_tensor()
        return super().call(y, input_exponent, with_exponent, training)

    def linear(self, inputs, kernel):
        return ops.conv(inputs, kernel, strides=1, padding="valid", data_format=self.data_format)


def _conv(layer, inputs, kernel, padding, conv=ops.conv):
    """Return a convolution with what the layer says of it.

    Keras on torch copies images with the channels last twice. It takes a view with the channels
    first as it is, and torch computes the same in the same order of memory.
    """
    rules = {
        "strides": layer.strides,
        "padding": padding,
        "dilation_rate": layer.dilation_rate,
    }
    is_image = len(inputs.shape) == 4 and layer.data_format == "channels_last"
    if not (is_image and keras.backend.backend() == "torch"):
        return conv(inputs, kernel, data_format=layer.data_format, **rules)
    first = ops.transpose(inputs, (0, 3, 1, 2))
    return ops.transpose(conv(first, kernel, data_format="channels_first", **rules), (0, 2, 3, 1))
