"""Checks that reading the inner tensors of an engine changes nothing."""

import numpy as np

from keras_alt.engines.engine import Engine

# Of the largest value: less than half a step of codes of 16 bits.
LAST_BITS = 2.0**-20


def require_same(engine: Engine, plain: list, observed: list):
    """Raise an error if the outputs of an engine change when its inner tensors are read.

    An engine may fuse float layers otherwise then. So the last bits of what they compute may
    differ, but no code.

    Args:
        engine: the engine.
        plain, observed: arrays of outputs, without and with inner tensors read.
    """
    for a, b in zip(plain, observed, strict=True):
        if np.array_equal(a, b):
            continue
        difference = np.abs(a.astype(float) - b).max()
        is_float = np.issubdtype(a.dtype, np.floating)
        if not (is_float and difference <= LAST_BITS * np.abs(a).max()):
            raise RuntimeError(
                f"{engine.version()} computes other outputs when its inner tensors are kept, so "
                f"they prove nothing. Received: a difference of {difference}"
            )
