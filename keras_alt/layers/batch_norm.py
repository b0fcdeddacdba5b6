"""Batch normalization that is folded into the kernel in front of it while it trains."""

import keras
from keras import ops

from keras_alt.quantizer import InFloat32

RULES = ("gamma_regularizer", "beta_regularizer", "gamma_constraint", "beta_constraint")


def batch_norm_arguments(norm) -> dict:
    """Return the arguments of a `FoldedBatchNorm` that computes what `norm` does."""
    rules = {name: getattr(norm, name, None) for name in RULES}
    return {
        **{name: getattr(norm, name) for name in ("epsilon", "momentum", "center", "scale")},
        **{name: rule for name, rule in rules.items() if rule is not None},
    }


@keras.saving.register_keras_serializable(package="keras_alt")
class FoldedBatchNorm(InFloat32, keras.layers.Layer):
    """Turns batch normalization into a factor for the kernel, a bias and a correction.

    The kernel is folded with the moving statistics, so that its integers do not change with every
    batch. The sum is then corrected to what batch statistics would have given (Jacob et al., 2018,
    section 3.2; Krishnamoorthi, 2018, section 3.2.2):

        factor     = gamma / sqrt(moving_variance + epsilon)
        correction = sqrt((moving_variance + epsilon) / (batch_variance + epsilon))
        bias       = beta - batch_mean * gamma / sqrt(batch_variance + epsilon)

    Outside training, and once `statistics_frozen` is true, the correction is exactly 1 and the bias
    comes from the moving statistics. The training graph is then the inference graph.

    Args:
        epsilon, momentum, center, scale: as in `keras.layers.BatchNormalization`.
        gamma_regularizer, beta_regularizer, gamma_constraint, beta_constraint: as there.
    """

    def __init__(
        self,
        epsilon=1e-3,
        momentum=0.99,
        center=True,
        scale=True,
        gamma_regularizer=None,
        beta_regularizer=None,
        gamma_constraint=None,
        beta_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum
        self.center = center
        self.scale = scale
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.beta_constraint = keras.constraints.get(beta_constraint)

    def arguments(self) -> dict:
        """Return the constructor's arguments as a file holds them, without name and dtype."""
        arguments = batch_norm_arguments(self)
        return {
            name: keras.saving.serialize_keras_object(value) if name in RULES else value
            for name, value in arguments.items()
        }

    def get_config(self):
        return {**super().get_config(), **self.arguments()}

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer="ones",
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer="zeros",
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )
        moving = {"shape": shape, "trainable": False, "autocast": False}
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", **moving)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", **moving)
        self.statistics_frozen = self.add_weight(
            name="statistics_frozen",
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def call(self, inputs, bias=None, axis=-1):
        """Return `(factor, bias, correction)`, vectors over channels.

        Args:
            inputs: what batch normalization reads in training; None for moving statistics.
            bias: the layer's own bias, which `inputs` already contain.
            axis: the channel axis of `inputs`.
        """
        gamma = 1.0 if self.gamma is None else self.gamma
        beta = 0.0 if self.beta is None else self.beta
        own_bias = 0.0 if bias is None else bias
        moving_mean = self.moving_mean.value
        moving_deviation = self._deviation(self.moving_variance)
        factor = gamma / moving_deviation
        if inputs is None:
            return factor, beta + (own_bias - moving_mean) * factor, None
        batch_mean, batch_variance = self._moments(inputs, axis)
        frozen = self.statistics_frozen.value
        self._update(self.moving_mean, batch_mean, frozen)
        self._update(self.moving_variance, batch_variance, frozen)
        batch_deviation = self._deviation(batch_variance)
        mean = ops.where(frozen, moving_mean, batch_mean)
        deviation = ops.where(frozen, moving_deviation, batch_deviation)
        correction = ops.where(
            frozen, ops.ones_like(batch_deviation), moving_deviation / batch_deviation
        )
        return factor, beta + (own_bias - mean) * gamma / deviation, correction

    def _deviation(self, variance):
        return ops.sqrt(variance + self.epsilon)

    def _moments(self, inputs, axis):
        axis = axis % len(inputs.shape)
        others = [i for i in range(len(inputs.shape)) if i != axis]
        # The population variance: the paper removes Bessel's correction, which TensorFlow's fused
        # kernel makes.
        return ops.moments(ops.cast(inputs, "float32"), axes=others)

    def _update(self, moving, batch, frozen):
        value = ops.stop_gradient(moving.value * self.momentum + batch * (1.0 - self.momentum))
        moving.assign(ops.where(frozen, moving.value, value))
