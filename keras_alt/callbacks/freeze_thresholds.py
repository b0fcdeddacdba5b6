"""The freezing of thresholds, one after another."""

from itertools import islice

import numpy as np
from keras import ops

from keras_alt.callbacks.steps import StepCallback
from keras_alt.number_checks import real_number, whole_number
from keras_alt.optimizers import alt_optimizer
from keras_alt.quantizer import trained_quantizers

PAPER_EVERY = 50
END = 0.9  # the last tenth of the run trains weights against fixed scales


class FreezeThresholds(StepCallback):
    """Freezes thresholds one by one, so that no scale flips late in the run.

    From `start` on, every `every` steps, it freezes the threshold with the smallest mean gradient
    among those in the octave of their moving average. That threshold is in the more popular of the
    two bins between which it oscillates (Jain et al., 2019, section 5.2). After nine tenths of the
    run, it freezes all others. A threshold outside the octave of its average is first set to the
    average. A frozen threshold never moves again, even if the model is saved, loaded or compiled
    anew. The run is one `fit`; with `initial_epoch`, it is the epochs from there on. A run that
    `Backup` resumes is the whole run, as if it had not been interrupted.
    The thresholds of the channels of a kernel are frozen together, once all are in the octaves of
    their averages; the largest of their gradients counts.

    Example:

    ```python
    quantized.compile(keras_alt.optimizers.alt(1e-5), loss="mse")
    quantized.fit(x, y, callbacks=[keras_alt.callbacks.FreezeThresholds(start=0.5)])
    ```

    Args:
        start: a fraction of the run (float), or a number of optimizer steps (integer). The paper
            has 1000 at batch size 24.
        every: steps between two decisions. By default all thresholds are frozen in time, and there
            are at most 50 steps, the paper's number.
    """

    def __init__(self, start: float | int = 0.5, every: int | None = None):
        super().__init__()
        expectation = "a fraction of the run below 1 (float) or a number of steps (int)"
        if isinstance(start, float):
            real_number("start", start, expectation, lambda start: 0 <= start < 1)
        else:
            whole_number("start", start, expectation, lambda start: start >= 0)
        if every is not None:
            whole_number("every", every)
        self.start = start
        self.every = every

    def on_train_begin(self, logs=None):
        if alt_optimizer(self.model.optimizer) is None:
            raise ValueError(
                "`FreezeThresholds` decides by the gradients that `keras_alt.optimizers.alt(...)` "
                "keeps: compile with that optimizer. "
                f"Received: optimizer={self.model.optimizer!r}"
            )
        self._require_thresholds()
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        if not steps or not epochs:
            raise ValueError(
                "`FreezeThresholds` must know the length of the run: pass `steps_per_epoch` to "
                f"`fit`. Received: steps={steps}, epochs={epochs}"
            )
        self._step = 0

    def on_epoch_begin(self, epoch, logs=None):
        is_first = self._step == 0
        super().on_epoch_begin(epoch, logs)
        if is_first:
            self._plan(self._step + self.params["steps"] * (self.params["epochs"] - epoch))

    def _plan(self, total):
        self._first = int(self.start * total) if isinstance(self.start, float) else self.start
        self._last = int(END * total)
        count = max(1, len(trained_quantizers(self.model)))
        self._every = self.every or max(1, min(PAPER_EVERY, (self._last - self._first) // count))

    def on_steps_end(self, steps):
        if self._first in steps:
            self._restart_sums()
        if self._last in steps:
            self._freeze_all()
            return
        decisions = sum(self._is_due(step) for step in steps)
        if decisions:
            self._freeze(decisions)

    def _is_due(self, step):
        return self._first < step < self._last and (step - self._first) % self._every == 0

    def _require_thresholds(self):
        if not trained_quantizers(self.model):
            raise ValueError(
                "`FreezeThresholds` expects a model with trainable thresholds, from "
                f"`keras_alt.quantize_model`. Received: model '{self.model.name}' without any."
            )

    def _optimizer(self):
        # `self.model` also brings the variables up to date on JAX.
        return alt_optimizer(self.model.optimizer).threshold_optimizer

    def _gradient_sums(self):
        return self._optimizer().gradient_sums

    def _restart_sums(self):
        sums = self._gradient_sums()
        sums.assign(ops.zeros_like(sums.value))

    def _candidates(self):
        """Return the unfrozen quantizers, each with its entries in the optimizer's vectors."""
        optimizer = self._optimizer()
        return [
            (optimizer.entries(quantizer.log2_threshold), quantizer)
            for quantizer in trained_quantizers(self.model)
            if not ops.convert_to_numpy(quantizer.frozen)
        ]

    def _freeze(self, count):
        gradients = np.abs(ops.convert_to_numpy(self._gradient_sums()))
        averages = self._averages()
        candidates = sorted(self._candidates(), key=lambda c: gradients[c[0]].max())
        at_rest = (q for i, q in candidates if _in_octaves(_values(q), averages[i]).all())
        for quantizer in islice(at_rest, count):
            quantizer.frozen.assign(True)
        self._restart_sums()

    def _freeze_all(self):
        averages = self._averages()
        for entries, quantizer in self._candidates():
            values, means = _values(quantizer), averages[entries]
            if not _in_octaves(values, means).all():
                settled = np.where(_in_octaves(values, means), values, means)
                quantizer.log2_threshold.assign(settled.reshape(quantizer.log2_threshold.shape))
            quantizer.frozen.assign(True)

    def _averages(self):
        return ops.convert_to_numpy(self._optimizer().averages)


def _values(quantizer):
    return ops.convert_to_numpy(quantizer.log2_threshold).ravel()


def _in_octaves(log2_thresholds, averages):
    """Return whether each threshold is in the octave of its average."""
    return np.ceil(log2_thresholds) == np.ceil(averages)
