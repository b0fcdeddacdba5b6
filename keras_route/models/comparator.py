"""What the scores of a network say about each layer of each pixel.

A layer has two scores, interleaved in the last axis: channel 2k is off, 2k + 1 is on. `decide`
and `log_odds` take arrays of NumPy and of every backend, and return the same kind.
"""

import numpy as np
from keras import ops

from keras_route.technology.layers import LAYERS

SCORES = 2 * len(LAYERS)


def decide(scores):
    """Return what is on: where the score of on exceeds that of off; equal scores are off.

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
    """Return by how much on exceeds off, the logit of the probability of on.

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
    # Pairs, because TensorFlow's gradient of a slice with strides takes four times as long.
    off, on = ops.unstack(ops.reshape(scores, (*ops.shape(scores)[:-1], len(LAYERS), 2)), axis=-1)
    return on - off


def scores_of(labels) -> np.ndarray:
    """Return scores whose decision is given, each 0 or 1: the inverse of `decide`.

    Args:
        labels: zeros and ones of shape (..., 8), layers in the order of `LAYERS`.

    Returns:
        float32 array (..., 16).

    Raises:
        ValueError: the last axis is not 8 long, or there are other values.
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
