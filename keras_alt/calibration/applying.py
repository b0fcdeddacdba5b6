"""Application of a call of the graph to the stored values of a batch."""

import keras

from keras_alt.calibration.batches import ActivationStore
from keras_alt.graph import Call, Replay


def apply(call: Call, store: ActivationStore, batch: int):
    """Return what a call computes from a batch, as at inference."""
    args, kwargs = arguments(call, store, batch)
    if isinstance(call.layer, keras.layers.Layer):
        # Some layers train by default, such as augmentations. `predict` overrides this too.
        kwargs = {**kwargs, "training": False}
    return call.layer(*args, **kwargs)


def arguments(call: Call, store: ActivationStore, batch: int) -> tuple:
    """Return `(args, kwargs)` of a call, with the values of a batch."""
    values = Replay({tensor: store.get(batch, tensor) for tensor in call.inputs})
    return values(call.args), values(call.kwargs)
