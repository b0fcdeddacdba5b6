"""Comparison of the outputs of a narrowed model with those of the model as it is."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops, tree


class Judge:
    """Compares outputs with those of the model as it is.

    Args:
        model: the model.
        labels: of the samples, or None.
        loss: as for `compile`, or None.
    """

    def __init__(self, model: keras.Model, labels, loss: str | Callable | None):
        self.model, self.labels = model, labels
        self.loss = None if loss is None else keras.losses.get(loss)
        self.expected = []

    def expect(self, outputs: list):
        """Set what the model computes as it is.

        Raises:
            ValueError: all of it is zero, or some of it is not finite.
        """
        self.expected = outputs
        self.signal = sum(np.square(array, dtype=np.float64).sum() for array in outputs)
        self.require_finite("outputs", self.signal)
        if not self.signal:
            raise ValueError(
                "The ratio of signal to noise needs outputs that are not all zero: give other "
                f"samples. Received: model '{self.model.name}', whose outputs are"
            )

    def sqnr_db(self, outputs: list) -> float:
        """Return the ratio of signal to noise in dB; infinite without noise."""
        noise = sum(
            np.square(np.subtract(a, b, dtype=np.float64)).sum()
            for a, b in zip(outputs, self.expected, strict=True)
        )
        self.require_finite("outputs", noise)
        return math.inf if not noise else float(10.0 * np.log10(self.signal / noise))

    def loss_of(self, outputs: list) -> float | None:
        """Return the mean loss, None if there are no labels."""
        if self.loss is None:
            return None
        tensors = [ops.convert_to_tensor(array) for array in outputs]
        values = self.loss(self.labels, tree.pack_sequence_as(self.model.output, tensors))
        loss = float(ops.convert_to_numpy(ops.mean(ops.convert_to_tensor(values))))
        self.require_finite("loss", loss)
        return loss

    def require_finite(self, what: str, value: float):
        """Raise a `ValueError` if a measured value is not finite."""
        if not math.isfinite(value):
            raise ValueError(
                f"The {what} of the model must be finite at each width: leave out the narrowest of "
                f"`bits`, or give another loss. Received: model '{self.model.name}' with {value}"
            )


def first_labels(labels, loss, batches: list) -> np.ndarray | None:
    """Return the labels of the samples that were read.

    Raises:
        ValueError: there are too few, or labels without a loss.
    """
    if (labels is None) != (loss is None):
        raise ValueError(
            "`labels` and `loss` belong together: give both, or none for the ratio of signal to "
            f"noise alone. Received: labels={'None' if labels is None else 'given'}, {loss=}"
        )
    if labels is None:
        return None
    count = sum(len(arrays[0]) for arrays in batches)
    if len(labels) < count:
        raise ValueError(
            f"`labels` must have a label for each sample. Received: {len(labels)} labels, "
            f"{count} samples"
        )
    return np.asarray(labels[:count])
