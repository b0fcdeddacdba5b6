"""Batches of random nets to train on: fresh nets, or the same nets in every epoch."""

import keras
import numpy as np

from keras_route.argument_checks import check_integer
from keras_route.data.random_nets import NetFamily, generate, random_stream


class _Epochs(keras.utils.PyDataset):
    """Batches that depend only on the seed, the epoch and their index."""

    def __init__(self, batch_size: int, steps_per_epoch: int, seed: int, initial_epoch: int):
        super().__init__()
        check_integer("batch_size", batch_size, 1)
        check_integer("steps_per_epoch", steps_per_epoch, 1)
        check_integer("seed", seed, 0)
        check_integer("initial_epoch", initial_epoch, 0)
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.epoch = initial_epoch
        self._begun = False

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `(x, y)` of one batch, uint8, as `generate` does."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch has an index below {len(self)}. Received: index={index}")
        return self.batch(index)

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `(x, y)` of one batch; the index is valid."""
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        # Keras already reads ahead at the end of an epoch, so the beginning counts.
        self.epoch += self._begun
        self._begun = True


class NetDataset(_Epochs):
    """Batches of fresh random nets, drawn while a model trains; every epoch has new nets.

    A batch depends only on the seed, the epoch and its index. Drawing is faster than training, so
    it needs no workers. Do not set `steps_per_epoch` in `fit`: an epoch is as long as this dataset.
    Validate on fixed nets of the other split:

        model.fit(
            NetDataset(32, 500, split="train"),
            validation_data=generate(10_000, split="validation"),
            epochs=10,
        )

    Args:
        batch_size: nets in each batch.
        steps_per_epoch: batches in each epoch.
        seed: integer >= 0.
        initial_epoch: number of the first epoch. Give the `initial_epoch` of `fit` to continue a
            training with new nets.
        **options: the other arguments of `generate`.

    Raises:
        TypeError, ValueError: as `generate` does.
    """

    def __init__(
        self,
        batch_size: int = 32,
        steps_per_epoch: int = 1000,
        seed: int = 0,
        initial_epoch: int = 0,
        **options,
    ):
        super().__init__(batch_size, steps_per_epoch, seed, initial_epoch)
        self.family = NetFamily(**options)

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        stream = random_stream(self.seed, self.epoch, index)
        return self.family.images(self.family.random_pins(self.batch_size, stream))


class FixedNets(_Epochs):
    """Batches of the same random nets, in another order in every epoch.

    The published network was trained like this, on 50,000 nets.

    Args:
        count: number of nets; they stay in memory, 9 bytes a pixel.
        batch_size, steps_per_epoch, seed, initial_epoch, **options: as in `NetDataset`; the nets
            are `generate(count, seed, **options)`.

    Raises:
        ValueError: an epoch takes more nets than there are.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        steps_per_epoch: int,
        seed: int = 0,
        initial_epoch: int = 0,
        **options,
    ):
        super().__init__(batch_size, steps_per_epoch, seed, initial_epoch)
        check_integer("count", count, 1)
        if batch_size * steps_per_epoch > count:
            raise ValueError(
                "An epoch takes each net once at most, so it has no more than `count` of them. "
                f"Received: count={count}, batch_size={batch_size}, "
                f"steps_per_epoch={steps_per_epoch}"
            )
        self.x, self.y = generate(count, seed, **options)
        self._ordered: int | None = None
        self._order = np.arange(len(self.x))

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self._ordered != self.epoch:
            self._order = random_stream(self.seed, self.epoch, 0).permutation(len(self.x))
            self._ordered = self.epoch
        taken = self._order[index * self.batch_size :][: self.batch_size]
        return self.x[taken], self.y[taken]
