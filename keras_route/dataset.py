"""Random nets to train on that never repeat."""

import keras

from keras_route.nets import NetFamily, check_integer, random_stream


class NetDataset(keras.utils.PyDataset):
    """Batches of fresh random nets, drawn while a model trains: every epoch has new ones.

    A batch depends on the seed, the epoch and its index only. Drawing is faster than training,
    so it needs no workers. Let `steps_per_epoch` of `fit` alone: an epoch is as long as this
    dataset. For validation take fixed nets of the other split:

        model.fit(
            NetDataset(32, 500, split="train"),
            validation_data=generate(10_000, split="validation"),
            epochs=10,
        )

    Args:
        batch_size: nets in each batch.
        steps_per_epoch: batches in each epoch.
        seed: integer >= 0.
        initial_epoch: number of the first epoch; that of `fit`, to go on with new nets where a
            training stopped.
        **options: what the nets are like, the other arguments of `generate`.

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
        super().__init__()
        check_integer("batch_size", batch_size, 1)
        check_integer("steps_per_epoch", steps_per_epoch, 1)
        check_integer("seed", seed, 0)
        check_integer("initial_epoch", initial_epoch, 0)
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.epoch = initial_epoch
        self.family = NetFamily(**options)
        self._begun = False

    def __len__(self):
        return self.steps_per_epoch

    def __getitem__(self, index):
        """Return `(x, y)` of one batch, uint8: as `generate` does."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch has an index below {len(self)}. Received: index={index}")
        stream = random_stream(self.seed, self.epoch, index)
        return self.family.images(self.family.random_pins(self.batch_size, stream))

    def on_epoch_begin(self):
        # At the end of an epoch Keras already reads ahead, so only the beginning can count.
        self.epoch += self._begun
        self._begun = True
