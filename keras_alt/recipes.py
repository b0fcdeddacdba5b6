"""The best known ways to an accurate integer network, in one call each."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_alt.calibration import kl_j, maximum, mse
from keras_alt.calibration.batches import read_batches
from keras_alt.calibration.statistics import refresh_batch_norm
from keras_alt.calibration.walk import WEIGHT_ROLES, calibrate
from keras_alt.callbacks import BestCheckpoint, FreezeThresholds
from keras_alt.config import QuantizeConfig
from keras_alt.equalization import equalize
from keras_alt.files import scratch_folder
from keras_alt.graph import Graph
from keras_alt.narrowing import narrow
from keras_alt.number_checks import real_number, whole_number
from keras_alt.operators import is_batch_norm
from keras_alt.optimizers import alt
from keras_alt.progress import verbosity
from keras_alt.quantize import quantize_model
from keras_alt.quantizer import quantizers
from keras_alt.transforms import in_float32, inline

RATE = 3e-4  # of the weights; that of MobileNetV2 in docs/results/accuracy.md
THRESHOLDS = 1e-2  # rate of the thresholds, as in the paper
Score = Callable[[keras.Model], float]


@dataclass
class Outcome:
    """A model, and how each step on the way to it was judged.

    Attributes:
        model: the model that scored best.
        steps: `(what was done, score)` in order. The float model is the first.
        unit: of the scores.
    """

    model: keras.Model
    steps: list[tuple[str, float]] = field(default_factory=list)
    unit: str = "score"

    def consider(self, step: str, model: keras.Model, score: Score) -> bool:
        """Note the score of a step; return whether it is better than that of the step before."""
        before = self.steps[-1][1] if self.steps else -np.inf
        self.steps.append((step, score(model)))
        return self.steps[-1][1] > before

    def __str__(self):
        width = max(len(step) for step, _ in self.steps)
        rows = [f"{step:<{width}}  {score:8.4f}" for step, score in self.steps]
        return "\n".join([f"{'':<{width}}  {self.unit:>8}", *rows])


def static(
    model: keras.Model,
    data,
    config: QuantizeConfig | None = None,
    score: Score | None = None,
    samples: int = 256,
    verbose: bool = True,
) -> Outcome:
    """Quantize a model without training, as accurately as is known.

    Channels are equalized, thresholds calibrated by two rules, and biases corrected. With the
    better rule, each weight is then rounded to the code that keeps outputs. The best model wins.
    With a `score` of your own, batch-norm statistics of `data` are tried as well; they help some
    networks and harm others, and only labels can tell.

    Args:
        model: built float `keras.Model`; not changed.
        data: inputs as for `keras_alt.calibrate`.
        config: `QuantizeConfig`.
        score: `(model) -> float`, larger is better, such as the accuracy on images that are not in
            `data`. By default, the signal-to-noise ratio in dB of the outputs on `data`, against
            those of the float model.
        samples: how many samples of `data` are read.
        verbose: whether to show progress bars.

    Returns:
        `Outcome`. Print it for a table of what each step did.

    Example:

    ```python
    outcome = keras_alt.recipes.static(model, x_train)
    print(outcome)
    quantized = outcome.model
    ```
    """
    flat = inline(in_float32(model))
    batches = read_batches(flat, data, samples, batch_size=32)
    data = [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]
    judged = agreement(flat, data) if score is None else score
    outcome = Outcome(flat, unit="SNR in dB" if score is None else "score")
    outcome.consider("float", flat, judged)
    if score is not None and any(map(is_batch_norm, Graph(flat).calls)):
        refreshed = refresh_batch_norm(model, data, samples, verbose=verbose)
        if outcome.consider("float, statistics of the data", refreshed, score):
            model = refreshed
    equalized = equalize(model, data, samples, verbose=verbose)
    tried = []

    def attempt(rule, adaptive_rounding=False):
        quantized = quantize_model(equalized, config)
        calibrate(
            quantized,
            data,
            activations=rule,
            samples=samples,
            bias_correction=True,
            adaptive_rounding=adaptive_rounding,
            verbose=verbose,
        )
        rounding = ", weights rounded" if adaptive_rounding else ""
        outcome.consider(
            f"equalized, {rule.__name__}, biases corrected{rounding}", quantized, judged
        )
        tried.append((outcome.steps[-1][1], quantized))
        return outcome.steps[-1][1]

    attempt(max((maximum, kl_j), key=attempt), adaptive_rounding=True)
    _, outcome.model = max(tried, key=lambda pair: pair[0])
    return outcome


def retrain(
    model: keras.Model,
    train: tuple,
    loss,
    epochs: int,
    validation: tuple | None = None,
    config: QuantizeConfig | None = None,
    bits: Iterable[int] = (),
    rate: float = RATE,
    batch_size: int = 32,
    metric: str = "accuracy",
    verbose: bool = True,
) -> Outcome:
    """Quantize a model and train it on, weights and thresholds.

    Training begins at what `static` returns, so the first step begins near the float model. The
    rate of the weights warms up and then falls on a cosine. Thresholds freeze one by one, as in the
    paper.

    Args:
        model: built float `keras.Model`; not changed.
        train: `(x, y)`, arrays.
        loss: as for `compile`.
        epochs: how many epochs to train, at each width.
        validation: `(x, y)`. The epoch with the best `metric` is kept, and by that metric `static`
            chooses. Without it, the last epoch is kept.
        config: `QuantizeConfig`.
        bits: narrower widths of the weights, such as `(4,)` or `(6, 4)`. For each, kernels are
            rounded anew, and train on with fixed thresholds.
        rate: highest learning rate of the weights.
        batch_size: samples in a step.
        metric: name as for `compile`; the larger the better.
        verbose: whether to show progress bars.

    Returns:
        `Outcome`. Its model is the trained one, with the last width of `bits`. With `validation`,
        the table has a row for each training.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        whole_number(name, value)
    real_number("rate", rate, "a positive learning rate")
    score = None if validation is None else _metric(validation, loss, metric)
    outcome = static(model, train[0], config, score, verbose=verbose)
    if validation is not None:
        outcome.unit = metric

    def fit(student, width=None):
        thresholds = THRESHOLDS
        if width is not None:
            thresholds = 0.0  # a threshold that moves undoes the rounding
            _round_kernels(student, train[0], verbose)
        _train(
            student, train, validation, loss, metric, rate, thresholds, epochs, batch_size, verbose
        )
        if validation is not None:
            step = "trained" if width is None else f"trained, {width} bits"
            outcome.consider(step, student, score)

    fit(outcome.model)
    if bits:
        outcome.model = narrow(outcome.model, fit, bits)
    return outcome


def _round_kernels(model, data, verbose):
    """Choose new thresholds and codes for kernels, such that each layer computes the same."""
    keep = [q for q in quantizers(model).values() if q.role not in WEIGHT_ROLES]
    calibrate(
        model,
        data,
        weights=mse,
        keep=keep,
        bias_correction=True,
        adaptive_rounding=True,
        verbose=verbose,
    )


def _train(model, train, validation, loss, metric, rate, thresholds, epochs, batch_size, verbose):
    """Train a quantized model in place; keep the best epoch of the validation, or else the last."""
    x, y = train
    steps = epochs * -(-len(y) // batch_size)
    warmup = max(steps // 10, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 100, max(steps - warmup, 1), warmup_target=rate, warmup_steps=warmup
    )
    callbacks = [FreezeThresholds(start=0.3)]
    model.compile(alt(schedule, thresholds, steps=steps), loss=loss, metrics=[metric])
    fit = {"batch_size": batch_size, "epochs": epochs, "verbose": verbosity(verbose)}
    if validation is None:
        model.fit(x, y, **fit, callbacks=callbacks)
        return
    with scratch_folder() as folder:
        best = BestCheckpoint(
            f"{folder}/best.weights.h5",
            f"val_{metric}",
            validation_data=validation,
            mode="max",
        )
        model.fit(x, y, **fit, validation_data=validation, callbacks=[*callbacks, best])
        best.restore()


def _metric(validation, loss, metric) -> Score:
    """Return a score: a metric on labelled data."""

    def score(model):
        copy = keras.Model(model.inputs, model.outputs)  # so that `model` keeps its own `compile`
        copy.compile(loss=loss, metrics=[metric])
        return float(copy.evaluate(*validation, verbose=0, return_dict=True)[metric])

    return score


def agreement(model: keras.Model, data: list) -> Score:
    """Return a score: the signal-to-noise ratio of outputs against those of `model`, in dB."""
    expected = _outputs(model, data)

    def score(other):
        noise = sum(
            np.square(a - b).sum() for a, b in zip(_outputs(other, data), expected, strict=True)
        )
        signal = sum(np.square(a).sum() for a in expected)
        return math.inf if noise == 0.0 else float(10 * np.log10(signal / noise))

    return score


def _outputs(model, data):
    outputs = model.predict(data if len(data) > 1 else data[0], batch_size=32, verbose=0)
    return [np.asarray(leaf, np.float64) for leaf in keras.tree.flatten(outputs)]
