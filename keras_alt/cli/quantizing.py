"""From a float model and data to a calibrated or retrained one."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_alt import recipes
from keras_alt.calibration import maximum, mse
from keras_alt.calibration.walk import calibrate
from keras_alt.cli.data import Data
from keras_alt.cli.models import Found
from keras_alt.config import QuantizeConfig
from keras_alt.quantize import quantize_model

CALIBRATION = 256  # samples
HELD_OUT = 10  # one sample in so many chooses the best epoch


def calibrated(found: Found, data: Data, config: QuantizeConfig, samples: int) -> keras.Model:
    """Return a model with calibrated thresholds, or those that tfmot learned."""
    sample = data.x if config.inputs == "auto" else None
    quantized = quantize_model(found.model, config, sample, found.masks)
    kept = ()
    if found.thresholds:
        from keras_alt.tfmot import set_thresholds

        kept = set_thresholds(quantized, found.thresholds)
    # Overrides give few bits to some kernels, as `sensitivity` measured them: with this rule.
    rule = mse if config.overrides else maximum
    calibrate(quantized, data.x, weights=rule, samples=samples, keep=kept)
    return quantized


def static(found: Found, data: Data, config: QuantizeConfig, samples: int) -> recipes.Outcome:
    """Return the result of `keras_alt.recipes.static`."""
    _require_plain(found)
    return recipes.static(found.model, data.x, config, samples=samples)


def retrained(
    found: Found, data: Data, config: QuantizeConfig, epochs: int, seed: int
) -> recipes.Outcome:
    """Return the result of `keras_alt.recipes.retrain`, for a network that tells classes.

    Raises:
        ValueError: the labels are no classes, or the samples too few.
    """
    _require_plain(found)
    labels = data.labels(found.model.outputs[0].shape)
    order = np.random.default_rng(seed).permutation(len(labels))
    held = len(labels) // HELD_OUT
    if not held:
        raise ValueError(
            f"Retraining needs at least {HELD_OUT} samples. Received: {len(labels)} in "
            f"{data.source}"
        )
    parts = [(_taken(data.x, part), labels[part]) for part in (order[held:], order[:held])]
    loss = class_loss(found.model, data)
    return recipes.retrain(found.model, parts[0], loss, epochs, parts[1], config)


def _require_plain(found):
    if found.masks or found.thresholds:
        raise ValueError(
            "Recipes start from a plain model: `--recipe calibrate` keeps pruned weights and "
            "learned thresholds. Received: a model of tensorflow-model-optimization"
        )


def class_loss(model: keras.Model, data: Data) -> Callable:
    """Return the loss of classes, for probabilities or for scores in front of a softmax.

    Raises:
        ValueError: the model does not tell classes, or the data has no labels of classes.
    """
    labels = data.labels(model.outputs[0].shape)
    if not tells_classes(model, labels):
        raise ValueError(
            "The command knows the loss of networks that tell classes: one output with a number "
            "for each class, and labels that are whole numbers or one-hot. For others, such as "
            "one number with a sigmoid, call `keras_alt.recipes.retrain` or "
            "`keras_alt.sensitivity` in Python with your loss. "
            f"Received: labels of shape {labels.shape} and type "
            f"{labels.dtype}, outputs of shapes {[tuple(o.shape) for o in model.outputs]}"
        )
    values = ops.convert_to_numpy(model(data.first(8), training=False))
    sums_to_one = np.allclose(values.sum(axis=-1), 1.0, atol=1e-3) and values.min() >= 0
    return keras.losses.SparseCategoricalCrossentropy(from_logits=not sums_to_one)


def tells_classes(model: keras.Model, labels: np.ndarray) -> bool:
    """Return whether a model has one output with a number for each class, and labels name them."""
    classes = len(model.outputs) == 1 and model.outputs[0].shape[-1] != 1
    whole = np.issubdtype(labels.dtype, np.integer)
    return classes and whole and labels.shape[1:] == tuple(model.outputs[0].shape[1:-1])


def _taken(x, part):
    return {k: a[part] for k, a in x.items()} if isinstance(x, dict) else x[part]
