"""The optimizer of the paper: Adam for the weights, and Adam of its own for the thresholds."""

import keras
from keras import ops
from keras.optimizers import Adam, MultiOptimizer, OptimizerMap
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, LearningRateSchedule

PAPER_BATCH = 24
THRESHOLDS = r".*log2_threshold"


@keras.saving.register_keras_serializable(package="keras_alt")
class ThresholdAdam(Adam):
    """Adam for log2 thresholds, in which a gradient of exactly zero means: do not move.

    A frozen threshold has that gradient, and so stays bit-identical; plain Adam would let it drift
    by its momentum. Beside the moments it keeps what `FreezeThresholds` decides by:

    Attributes:
        gradient_sums: sum of each threshold's gradients since the last decision.
        averages: moving average of each threshold, with decay min(0.9999, (1 + i) / (10 + i)).
    """

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self.gradient_sums = self.add_optimizer_variables(var_list, "gradient_sum")
        self.averages = self.add_optimizer_variables(var_list, "average")

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        moves = ops.not_equal(gradient, 0.0)
        step = ops.cast(self.iterations, variable.dtype)
        beta_1, beta_2 = self.beta_1, self.beta_2
        m, v = self._momentums[index], self._velocities[index]
        new_m = beta_1 * m.value + (1.0 - beta_1) * gradient
        new_v = beta_2 * v.value + (1.0 - beta_2) * gradient * gradient
        rate = ops.cast(learning_rate, variable.dtype) * ops.sqrt(1.0 - beta_2 ** (step + 1.0))
        rate = rate / (1.0 - beta_1 ** (step + 1.0))
        update = rate * new_m / (ops.sqrt(new_v) + self.epsilon)
        value = ops.where(moves, variable - update, variable)
        self.assign(m, ops.where(moves, new_m, m.value))
        self.assign(v, ops.where(moves, new_v, v.value))
        self.assign(variable, value)
        sums, average = self.gradient_sums[index], self.averages[index]
        decay = ops.minimum(0.9999, (1.0 + step) / (10.0 + step))
        self.assign(sums, sums.value + gradient)
        self.assign(average, decay * average.value + (1.0 - decay) * value)


def alt(
    weights: float | LearningRateSchedule = 1e-6,
    thresholds: float | LearningRateSchedule = 1e-2,
    batch_size: int = PAPER_BATCH,
    steps: int | None = None,
) -> MultiOptimizer:
    """Return the optimizer that trains a quantized model.

    Weights and thresholds have an Adam (0.9, 0.999, 1e-8) each. By default the learning rates
    follow the paper's schedules: weights times 0.94 every 3000 steps, thresholds halved every 1000,
    for batches of 24; other batch sizes scale the intervals. With `steps` the weights' rate decays
    to zero along a cosine and the thresholds' is halved six times.

    Args:
        weights: initial learning rate of the weights, or a Keras schedule.
        thresholds: initial learning rate of the log2 thresholds, or a Keras schedule; 0 trains
            the weights only.
        batch_size: of the training.
        steps: length of the training in optimizer steps, or None for the paper's schedules.
    """
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
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
    return MultiOptimizer(
        OptimizerMap(
            Adam(rates[0], epsilon=1e-8, name="weights"),
            {THRESHOLDS: ThresholdAdam(rates[1], epsilon=1e-8, name="thresholds")},
        )
    )


def _schedule(name, rate, decay):
    if isinstance(rate, LearningRateSchedule):
        return rate
    if not isinstance(rate, (int, float)) or rate < 0:
        raise ValueError(
            f"`{name}` must be a learning rate of at least 0 or a Keras schedule. "
            f"Received: {name}={rate!r}"
        )
    return decay(rate) if rate else 0.0
