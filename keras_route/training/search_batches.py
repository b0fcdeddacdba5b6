"""Batches of windows with obstacles to train on, labelled by the search."""

import keras
import numpy as np

from keras_route.argument_checks import check_integer
from keras_route.data.random_nets import random_stream
from keras_route.layout.blocked import METAL_CHANNELS
from keras_route.technology.layers import LAYERS, VIAS
from keras_route.training.search_labels import SearchLabels

NEAR_WEIGHT = 0.2  # of the decision that a pixel of a route that is almost cheapest is off


class SearchBatches(keras.utils.PyDataset):
    """Batches `(x, y, weight)` of windows, in another order and mirrored in every epoch.

    Costs do not change when a window is mirrored along x or y. So all four views have labels.

    Args:
        labels: the windows.
        batch_size: windows in each batch.
        steps_per_epoch: batches in each epoch; an epoch need not hold all windows.
        seed: integer >= 0.
        initial_epoch: number of the first epoch. Give the `initial_epoch` of `fit`.
    """

    def __init__(
        self,
        labels: SearchLabels,
        batch_size: int,
        steps_per_epoch: int,
        seed: int = 0,
        initial_epoch: int = 0,
    ):
        super().__init__()
        check_integer("batch_size", batch_size, 1)
        check_integer("steps_per_epoch", steps_per_epoch, 1)
        self.labels, self.batch_size, self.steps_per_epoch = labels, batch_size, steps_per_epoch
        self.seed = seed
        self._first = initial_epoch * steps_per_epoch
        self._epoch, self._begun = 0, False
        self._order = (-1, np.arange(0))

    def __len__(self) -> int:
        return self.steps_per_epoch

    def on_epoch_begin(self) -> None:
        # Keras already reads ahead at the end of an epoch, so the beginning counts.
        self._epoch += self._begun
        self._begun = True

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return one batch; it depends only on the windows, the seed and its number."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch has an index below {len(self)}. Received: index={index}")
        number = self._first + self._epoch * self.steps_per_epoch + index
        rng = random_stream(self.seed, number)
        mirrored = rng.integers(0, 2, (2, self.batch_size))
        return examples(self.labels, self._windows(number), mirrored)

    def _windows(self, batch):
        """Return the windows of a batch: all windows in a random order, then in another."""
        places = np.arange(batch * self.batch_size, (batch + 1) * self.batch_size)
        passes, places = np.divmod(places, len(self.labels))
        windows = np.empty(len(places), "int64")
        for number in np.unique(passes).tolist():
            if self._order[0] != number:
                stream = random_stream(self.seed, 0, number)
                self._order = number, stream.permutation(len(self.labels))
            windows[passes == number] = self._order[1][places[passes == number]]
        return windows


def examples(
    labels: SearchLabels, windows, mirrored: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the input, the target and the weights of windows.

    Args:
        labels: the windows.
        windows: indices (N,), or a slice.
        mirrored: (2, N) booleans, whether each is mirrored along y and along x.

    Returns:
        `(x, y, weight)`: uint8 (N, height, width, 5) pins and blocked metals; uint8 (N, height,
        width, 8) layers of cheapest routes; and float32 of this shape.
    """
    pins, blocked, cheapest, near = labels.arrays(windows)
    x = np.concatenate([pins[..., None], blocked], axis=-1)
    y = np.zeros((*pins.shape, len(LAYERS)), "uint8")
    y[..., LAYERS.index("pin")] = pins
    y[..., METAL_CHANNELS] = cheapest
    y[..., [via.channel for via in VIAS.values()]] = cheapest[..., :-1] & cheapest[..., 1:]
    weight = np.ones(y.shape, "float32")
    weight[..., METAL_CHANNELS] -= (1 - NEAR_WEIGHT) * (near & ~cheapest & 1)
    for axis, chosen in enumerate(() if mirrored is None else mirrored):
        for array in (x, y, weight):
            array[chosen > 0] = np.flip(array[chosen > 0], 1 + axis)
    return x, y, weight
