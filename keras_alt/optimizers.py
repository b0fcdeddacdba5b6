"""The optimizer of the paper: one Adam for the weights and one for the thresholds."""

import itertools
import math
from typing import NamedTuple

import keras
from keras import ops
from keras.optimizers import Adam, MultiOptimizer, OptimizerMap
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, LearningRateSchedule

from keras_alt.formats import FixedPoint
from keras_alt.keras_internals import averaged_variables, optimized_variables, position_of
from keras_alt.number_checks import real_number, whole_number
from keras_alt.numerics.backend import numerics
from keras_alt.quantizer import THRESHOLDS, require_calibrated

PAPER_BATCH = 24


@keras.saving.register_keras_serializable(package="keras_alt")
class ThresholdAdam(keras.optimizers.Optimizer):
    """Adam for log2 thresholds, which does not move a threshold whose gradient is exactly zero.

    A frozen threshold has that gradient, so it stays bit-identical; plain Adam would move it by its
    momentum. Nor does `use_ema` move it. The state of all thresholds is kept in vectors: a model
    has a hundred of these scalars, and one update of all costs as much as the update of one. A
    kernel whose channels have thresholds of their own has an entry for each of them.

    Args:
        learning_rate: a float or a schedule.
        beta_1, beta_2, epsilon: as in `keras.optimizers.Adam`.

    Attributes:
        gradient_sums: sum of each threshold's gradients since `FreezeThresholds` last decided.
        averages: moving average of each threshold, with decay min(0.9999, (1 + i) / (10 + i)).
    """

    def __init__(
        self,
        learning_rate=1e-2,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        name="threshold_adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        vector = {"shape": (sum(map(_size, var_list)),), "dtype": "float32"}
        self.momentum = self.add_variable(name="momentum", **vector)
        self.velocity = self.add_variable(name="velocity", **vector)
        self.gradient_sums = self.add_variable(name="gradient_sums", **vector)
        self.averages = self.add_variable(name="averages", **vector)

    @property
    def thresholds(self) -> list:
        """The trained variables, in the order of the vectors."""
        return optimized_variables(self)

    def entries(self, variable) -> slice:
        """Return where in the vectors the values of a trained variable are, in row-major order."""
        sizes = [_size(other) for other in self.thresholds]
        position = position_of(self, variable)
        first = sum(sizes[:position])
        return slice(first, first + sizes[position])

    # Keras' public hook, `update_step`, sees one variable at a time; this one sees all of them.
    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        def update(grads):
            given = zip(trainable_variables, grads, strict=True)
            gradients = {position_of(self, variable): gradient for variable, gradient in given}
            gradients = [
                gradients[i] if i in gradients else ops.zeros(variable.shape, "float32")
                for i, variable in enumerate(self.thresholds)
            ]
            old = _joined([variable.value for variable in self.thresholds])
            new = self._updated(old, _joined(gradients), ops.cast(learning_rate, "float32"))
            for variable, value in zip(self.thresholds, _split(new, self.thresholds), strict=True):
                variable.assign(value)

        numerics.update_replicas(update, grads)

    # Keras averages after the step, where it is not known which thresholds are frozen.
    def _update_model_variables_moving_average(self, trainable_variables):
        pass

    def _average(self, new, moves):
        """Update the averages that `keras.callbacks.SwapEMAWeights` swaps in."""
        momentum = self.ema_momentum * ops.cast(ops.not_equal(self.iterations, 0), "float32")
        kept = averaged_variables(self)
        old = _joined([average.value for average in kept])
        averages = ops.where(moves, momentum * old + (1.0 - momentum) * new, new)
        for average, value in zip(kept, _split(averages, self.thresholds), strict=True):
            average.assign(value)

    def _updated(self, old, gradient, learning_rate):
        step = ops.cast(self.iterations, "float32") + 1.0
        moves = ops.not_equal(gradient, 0.0)
        momentum = self.beta_1 * self.momentum.value + (1.0 - self.beta_1) * gradient
        velocity = self.beta_2 * self.velocity.value + (1.0 - self.beta_2) * ops.square(gradient)
        self.momentum.assign(ops.where(moves, momentum, self.momentum.value))
        self.velocity.assign(ops.where(moves, velocity, self.velocity.value))
        correction = ops.sqrt(1.0 - ops.power(self.beta_2, step)) / (
            1.0 - ops.power(self.beta_1, step)
        )
        update = learning_rate * correction * momentum / (ops.sqrt(velocity) + self.epsilon)
        new = ops.where(moves, old - update, old)
        decay = ops.minimum(0.9999, step / (step + 9.0))
        self.gradient_sums.assign(self.gradient_sums.value + gradient)
        self.averages.assign(decay * self.averages.value + (1.0 - decay) * new)
        if self.use_ema:
            self._average(new, moves)
        return new

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


def _size(variable) -> int:
    return math.prod(variable.shape)


def _joined(tensors):
    """Return the values of tensors as one vector."""
    if all(not tensor.shape for tensor in tensors):
        return ops.stack(tensors)
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])


def _split(vector, variables):
    """Return the values of each variable, in its shape, from the vector of all."""
    if all(not variable.shape for variable in variables):
        return ops.unstack(vector)
    *inner, _ = itertools.accumulate(map(_size, variables))
    parts = ops.split(vector, inner) if inner else [vector]
    return [ops.reshape(p, variable.shape) for p, variable in zip(parts, variables, strict=True)]


@keras.saving.register_keras_serializable(package="keras_alt")
class ALTOptimizer(MultiOptimizer):
    """A `MultiOptimizer` that does not train uncalibrated thresholds.

    Keras builds an optimizer when `fit` begins. It also builds one when a file is loaded, before
    the variables have their values, so the check would fail. An optimizer from a file therefore
    counts as unbuilt until `fit` builds it again: that keeps its variables and makes the check.
    """

    _loading = False
    _routed = False  # whether each variable has its inner optimizer

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizer = super().from_config(config, custom_objects=custom_objects)
        optimizer._loading = True
        return optimizer

    def build(self, var_list):
        if self.built:
            return
        with numerics.outside_graph():
            if not self._routed:
                super().build(var_list)
                self._routed = True
        if self._loading:
            self._loading = self.built = False
            return
        self.built = False
        require_calibrated(var_list)
        self.built = True

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        # A `LossScaleOptimizer` from a file counts as built, so it does not build this one again.
        self.built = self.built or self._routed
        return super().stateless_apply(optimizer_variables, grads, trainable_variables)

    @property
    def threshold_optimizer(self) -> ThresholdAdam:
        """The inner optimizer of the thresholds."""
        return next(o for o in self.optimizers if isinstance(o, ThresholdAdam))


def alt_optimizer(optimizer) -> ALTOptimizer | None:
    """Return the `ALTOptimizer` that a model trains with, None for another optimizer.

    Under the policy `mixed_float16`, `compile` puts it into a `LossScaleOptimizer`.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer if isinstance(optimizer, ALTOptimizer) else None


def alt(
    weights: float | LearningRateSchedule = 1e-6,
    thresholds: float | LearningRateSchedule = 1e-2,
    batch_size: int = PAPER_BATCH,
    steps: int | None = None,
    ema_momentum: float | None = None,
) -> ALTOptimizer:
    """Return the optimizer that trains a quantized model.

    Weights and thresholds have an Adam (0.9, 0.999, 1e-8) each. By default, the learning rates
    follow the paper's schedules: at batch size 24, that of the weights is multiplied by 0.94 every
    3000 steps, and that of the thresholds is halved every 1000 steps. Other batch sizes scale these
    intervals. With `steps`, the rate of the weights decays to zero along a cosine, and that of the
    thresholds is halved six times.

    Example:

    ```python
    model.compile(keras_alt.optimizers.alt(weights=1e-4, steps=5000), "mse")
    ```

    Args:
        weights: initial learning rate of the weights, or a Keras schedule.
        thresholds: initial learning rate of the log2 thresholds, or a Keras schedule; 0 trains
            the weights only.
        batch_size: of the training.
        steps: length of the training in optimizer steps; None for the paper's schedules.
        ema_momentum: keeps moving averages of weights and thresholds, such as 0.99, for
            `keras.callbacks.SwapEMAWeights`. The model has them when `fit` ends, as with
            `use_ema=True` of Keras' optimizers.
    """
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None or name == "batch_size":
            whole_number(name, value)
    scale = PAPER_BATCH / batch_size
    if steps is None:
        decays = (
            lambda rate: ExponentialDecay(rate, max(1, round(3000 * scale)), 0.94, staircase=True),
            lambda rate: ExponentialDecay(rate, max(1, round(1000 * scale)), 0.5, staircase=True),
        )
    else:
        halving = max(1, -(-steps // 7))
        decays = (
            lambda rate: CosineDecay(rate, steps),
            lambda rate: ExponentialDecay(rate, halving, 0.5, staircase=True),
        )
    rates = [
        _schedule(name, rate, decay)
        for name, rate, decay in zip(
            ("weights", "thresholds"), (weights, thresholds), decays, strict=True
        )
    ]
    options = {"epsilon": 1e-8}
    if ema_momentum is not None:
        real_number("ema_momentum", ema_momentum, "from 0 to 1", lambda share: 0 <= share <= 1)
        options |= {"use_ema": True, "ema_momentum": ema_momentum}
    return ALTOptimizer(
        OptimizerMap(
            Adam(rates[0], name="weights", **options),
            {THRESHOLDS: ThresholdAdam(rates[1], name="thresholds", **options)},
        )
    )


class ThresholdGuideline(NamedTuple):
    """Settings under which Adam holds a log2 threshold near the boundary of two octaves.

    Attributes:
        learning_rate: the largest one.
        beta_1, beta_2: the smallest ones.
        steps: about how many steps a threshold takes to converge.
    """

    learning_rate: float
    beta_1: float
    beta_2: float
    steps: int


def threshold_guideline(bits: int) -> ThresholdGuideline:
    """Return bounds for the training of thresholds of a width.

    A trained threshold walks to and fro across the boundary of two octaves. The guideline of Jain
    et al., 2019 (arXiv 1903.08066) keeps that walk within about a tenth of an octave. With
    `p = 2**(bits - 1) - 1`, the largest code:

        learning_rate <= 0.1 / sqrt(p)
        beta_1        >= 1 / e
        beta_2        >= 1 - 0.1 / p
        steps         ~  1 / learning_rate + 1 / (1 - beta_2)

    The rate counts where it ends. `alt` starts with 0.01, which suits 8 bits, and halves it often.

    Example:

    ```python
    guideline = keras_alt.optimizers.threshold_guideline(4)
    guideline.learning_rate  # 0.038
    ```

    Args:
        bits: width of the quantizer, an integer from 2 to 32.
    """
    largest = FixedPoint(bits).qmax
    rate = 0.1 / math.sqrt(largest)
    steps = 1 / rate + largest / 0.1
    return ThresholdGuideline(rate, 1 / math.e, 1 - 0.1 / largest, round(steps))


def _schedule(name, rate, decay):
    if isinstance(rate, LearningRateSchedule):
        return rate
    expectation = "a learning rate of at least 0 or a Keras schedule"
    rate = real_number(name, rate, expectation, lambda rate: rate >= 0)
    return decay(rate) if rate else 0.0
