"""A run that trains a network to mark the pixels of cheapest routes, and keeps its state."""

import os
import pathlib

import keras

from keras_route.callbacks.epoch_rows import read_rows, with_row, write_rows
from keras_route.losses import ScoreCrossEntropy
from keras_route.models.search_router import SearchRouter
from keras_route.training.run import LAST, RECIPE, SECONDS, Clock, save
from keras_route.training.search_batches import SearchBatches, examples
from keras_route.training.search_labels import SearchLabels
from keras_route.training.settings import keep_to

STEPS_PER_EPOCH = 500
LOG = "log.csv"


def train_on_search(
    labels: SearchLabels,
    output: str | os.PathLike,
    epochs: int = 24,
    batch_size: int = 64,
    rate: float = 3e-3,
    on_weight: float = 2.0,
    seed: int = 0,
    validation: SearchLabels | None = None,
    verbose: int | str = "auto",
) -> keras.Model:
    """Train a `SearchRouter`; return it with its last weights.

    The rate warms up over a twentieth of the run and then falls to zero along a cosine. The folder
    keeps the state after the last epoch. After an interruption, the same call goes on from there.

    Args:
        labels: windows to train on.
        output: folder; created if it does not exist.
        epochs: of 500 updates each.
        batch_size: windows in each update.
        rate: largest learning rate.
        on_weight: of the loss, see `ScoreCrossEntropy`. More marks more pixels.
        seed: of the initial weights and of the order of windows.
        validation: windows whose loss the log tells after each epoch.
        verbose: as in `fit`.

    Raises:
        ValueError: the folder holds another run.
    """
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    keep_to(
        output / RECIPE,
        {
            "network": "SearchRouter",
            "windows": len(labels),
            "epochs": epochs,
            "steps_per_epoch": STEPS_PER_EPOCH,
            "batch_size": batch_size,
            "rate": rate,
            "on_weight": on_weight,
            "seed": seed,
        },
    )
    last = output / LAST
    if last.exists():
        model = keras.models.load_model(last)
    else:
        model = SearchRouter.for_window(labels.family.height, labels.family.width)
        steps = epochs * STEPS_PER_EPOCH
        schedule = keras.optimizers.schedules.CosineDecay(
            rate / 100, steps - steps // 20, warmup_target=rate, warmup_steps=steps // 20
        )
        model.compile(
            keras.optimizers.Adam(schedule, epsilon=1e-8, global_clipnorm=1.0),
            ScoreCrossEntropy(on_weight),
            jit_compile=keras.backend.backend() == "jax",
        )
    done = int(model.optimizer.iterations) // STEPS_PER_EPOCH
    model.fit(
        SearchBatches(labels, batch_size, STEPS_PER_EPOCH, seed, done),
        epochs=epochs,
        initial_epoch=done,
        validation_data=None if validation is None else examples(validation, slice(None)),
        callbacks=[
            Log(output / LOG),
            Clock(output / SECONDS),
            # The last, so that an epoch counts as done when all is written that tells of it.
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: save(model, last)),
        ],
        shuffle=False,  # the batches are in random order, and a continued run gets the same
        verbose=verbose,
    )
    return model


class Log(keras.callbacks.Callback):
    """Keeps the figures of each epoch, counted from 0, in a file."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        write_rows(self.path, with_row(read_rows(self.path), epoch, logs or {}))
