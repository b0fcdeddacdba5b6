"""Batch-norm statistics of a float model on the user's data."""

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.batches import read_batches
from keras_alt.calibration.values import values_of
from keras_alt.graph import Graph
from keras_alt.operators import is_batch_norm
from keras_alt.quantizer import float_model
from keras_alt.transforms import inline


def refresh_batch_norm(
    model: keras.Model,
    data,
    samples: int = 1024,
    batch_size: int = 32,
    verbose: bool = True,
) -> keras.Model:
    """Return a copy of a float model with the batch-norm statistics of `data`.

    A network that was trained on other data, or with a momentum near 1, has statistics that do not
    fit, and folding puts them into the kernels. The samples pass through the graph once, layer by
    layer. Each norm gets mean and variance of what reaches it behind the norms in front of it, so
    the result depends on no momentum and no order. Frozen norms keep their statistics.

    This helps some networks and harms others: compare accuracies before you keep it.

    Args:
        model: built float `keras.Model`; not changed.
        data: inputs as for `keras_alt.calibrate`.
        samples: how many samples are read, from the start of `data`.
        batch_size: how many of them pass through a layer at a time.
        verbose: whether to show a progress bar.

    Returns:
        Functional `keras.Model`, nested models inlined.

    Raises:
        TypeError: `model` is not a Keras 3 model.
        ValueError: `model` has no batch norm, or is quantized.

    Example:

    ```python
    model = keras_alt.refresh_batch_norm(model, x_train)
    quantized = keras_alt.quantize_model(model, calibration_data=x_train)
    ```
    """
    copy = _copied(inline(float_model(model, "refresh_batch_norm")))
    graph = Graph(copy)
    norms = {call.layer for call in graph.calls if is_batch_norm(call)}
    if not norms:
        raise ValueError(
            "`refresh_batch_norm` expects a model with batch normalizations: call it before "
            f"`equalize`. Received: model '{model.name}' without any"
        )
    moments = {layer: _Moments(layer) for layer in norms if layer.trainable}
    batches = read_batches(copy, data, samples, batch_size)
    for tensor, values in values_of(graph, batches, verbose):
        for reader in graph.readers[tensor]:
            if reader.layer in moments:
                moments[reader.layer].update(values)
    return copy


def _copied(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


class _Moments:
    """Mean and variance of each channel of what a norm has read so far, in all its calls."""

    def __init__(self, norm):
        self.norm = norm
        self.count = self.total = self.squares = 0.0

    def update(self, batches):
        """Add batches, and set the statistics of the norm."""
        for x in batches:
            x = ops.convert_to_numpy(x).astype(np.float64)
            axes = tuple(i for i in range(x.ndim) if i != self.norm.axis % x.ndim)
            self.count += x.size / x.shape[self.norm.axis]
            self.total = self.total + x.sum(axes)
            self.squares = self.squares + np.square(x).sum(axes)
        mean = self.total / self.count
        self.norm.moving_mean.assign(mean)
        self.norm.moving_variance.assign(np.maximum(self.squares / self.count - mean**2, 0.0))
