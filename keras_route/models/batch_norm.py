"""The batch norm of the published network."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="keras_route")
class BatchNormalization(layers.BatchNormalization):
    """Keras' batch norm, trained by TensorFlow's fused operation.

    Keras composes the training of a dozen operations, and each passes over the whole image, as do
    those of the gradient. Arguments and variables are those of Keras, and results agree up to
    rounding. Inference, other backends and options that the operation lacks run Keras' own code.
    """

    infers_like_batch_norm = True  # tells `keras_alt` to fold it

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and self._fuses(inputs)):
            return super().call(inputs, training=training, mask=mask)
        operands = (ops.cast(value, "float32") for value in (inputs, self.gamma, self.beta))
        outputs, mean, variance = _fused(*operands, self.epsilon)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _fuses(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and self.variable_dtype == "float32"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
        )


def _fused(x, gamma, beta, epsilon):
    """Return the normalized images, and the mean and the variance of each channel."""
    import tensorflow as tf

    # The wrapper in `tf.compat.v1.nn` would raise epsilon to 1.001e-5.
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    # The operation returns the unbiased variance, as PyTorch does; Keras keeps the biased one.
    count = tf.cast(tf.size(x) / tf.size(gamma), x.dtype)
    return outputs, mean, variance * (tf.maximum(count - 1, 1) / count)
