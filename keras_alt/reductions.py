"""Which axes Keras' operators reduce."""

import numpy as np

from keras_alt.graph import Call


def reduced_axes(call: Call) -> tuple[int, ...] | None:
    """Return the axes that a call of `ops.max`, `ops.mean` and the like reduces; the batch counts.

    Returns None if the call reduces the batch, or starts from an `initial` value.
    """
    rank, axis = len(call.inputs[0].shape), call.layer.axis
    axes = range(rank) if axis is None else np.atleast_1d(axis)
    axes = tuple(sorted(int(a) % rank for a in axes))
    if 0 in axes or getattr(call.layer, "initial", None) is not None:
        return None
    return axes
