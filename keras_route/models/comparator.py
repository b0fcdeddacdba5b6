"""The meaning of a network's scores: decisions and log-odds of each layer at each pixel.

A layer has two scores, interleaved in the last axis: channel 2k is off, 2k + 1 is on. `decide` and
`log_odds` take arrays of NumPy or of the backend, and return the same kind.
"""

import numpy as np
from keras import ops

from keras_route.technology.layers import LAYERS

SCORES = 2 * len(LAYERS)


def decide(scores):
    """Return which layers are on: those whose score of on exceeds that of off.

    Args:
        scores: floats of shape (..., 16).

    Returns:
        Booleans of shape (..., 8), layers in the order of `LAYERS`.

    Raises:
        ValueError: the last axis is not 16 long.
    """
    _check(scores)
    return scores[..., 1::2] > scores[..., ::2]


def log_odds(scores):
    """Return the score of on minus the score of off, the logit of the probability of on.

    Args:
        scores: floats of shape (..., 16).

    Returns:
        Floats of shape (..., 8), layers in the order of `LAYERS`.

    Raises:
        ValueError: the last axis is not 16 long.
    """
    _check(scores)
    if isinstance(scores, np.ndarray):
        return scores[..., 1::2] - scores[..., ::2]
    # Pairs, because TensorFlow's gradient of a strided slice takes four times as long.
    off, on = ops.unstack(ops.reshape(scores, (*ops.shape(scores)[:-1], len(LAYERS), 2)), axis=-1)
    return on - off


def scores_of(labels) -> np.ndarray:
    """Return scores, 0 or 1, that `decide` turns into the given labels.

    Args:
        labels: zeros and ones of shape (..., 8), layers in the order of `LAYERS`.

    Returns:
        float32 array (..., 16).

    Raises:
        ValueError: the last axis is not 8 long, or a value is neither 0 nor 1.
    """
    labels = np.asarray(labels)
    on = labels != 0
    if labels.shape[-1:] != (len(LAYERS),) or not np.array_equal(on, labels):
        raise ValueError(
            f"Labels hold zeros and ones in {len(LAYERS)} channels, one for each of "
            f"{', '.join(LAYERS)}. Received: labels of shape {labels.shape} of {labels.dtype}"
        )
    return np.stack([~on, on], axis=-1).reshape(*on.shape[:-1], SCORES).astype("float32")


def _check(scores):
    if scores.shape[-1] != SCORES:
        raise ValueError(
            f"Scores must have {SCORES} channels in their last axis, off and on of each of "
            f"{', '.join(LAYERS)}: give the output of the network, channels last. "
            f"Received: scores of shape {tuple(scores.shape)}"
        )
