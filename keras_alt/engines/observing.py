"""Checks that reading the inner tensors of an engine changes nothing."""

import numpy as np

from keras_alt.engines.engine import Engine


def require_same(engine: Engine, plain: list, observed: list):
    """Raise an error if the outputs of an engine change when its inner tensors are read.

    Args:
        engine: the engine.
        plain, observed: arrays of outputs, without and with inner tensors read.
    """
    for a, b in zip(plain, observed, strict=True):
        if not np.array_equal(a, b):
            raise RuntimeError(
                f"{engine.version()} computes other outputs when its inner tensors are kept, so "
                "they prove nothing. Received: a difference of "
                f"{np.abs(a.astype(float) - b).max()}"
            )
