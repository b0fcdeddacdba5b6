"""A run that trains a network by a recipe and keeps its state in a folder."""

import csv
import dataclasses
import os
import pathlib
import time
from collections.abc import Sequence

import keras

from keras_route.callbacks import BestF1Checkpoint, RoutePreview, TrainingCurves
from keras_route.data.random_nets import NetFamily, generate
from keras_route.evaluation import HELD_OUT_SEED
from keras_route.files import written_whole
from keras_route.training.recipes import Recipe
from keras_route.training.settings import keep_to

PREVIEWED = 9  # nets in a picture
LAST = "last.keras"
BEST = "best.keras"
RECIPE = "recipe.json"
SECONDS = "seconds.csv"


def train(
    recipe: Recipe,
    output: str | os.PathLike,
    seed: int = 0,
    validation: int = 2000,
    verbose: int | str = "auto",
    callbacks: Sequence = (),
    **options,
) -> keras.Model:
    """Train a network on random nets; return it with its best weights.

    The folder keeps the best model (`best.keras`), the state after the last epoch (`last.keras`),
    curves and pictures. After an interruption, the same call continues from the last epoch.

    Args:
        recipe: for example one of `RECIPES`.
        output: folder; created if it does not exist.
        seed: of the initial weights and of the nets.
        validation: number of nets of the validation split to decide after each epoch.
        verbose: as in `fit`.
        callbacks: further callbacks, as in `fit`.
        **options: the other arguments of `generate`. By default, `deduplicate` is True here, so
            that an image of pins has one label.

    Raises:
        ValueError: the folder holds a run of another recipe, seed or kind of nets; or the seed
            would choose the weights by the held-out nets of `evaluate`.
    """
    if seed + 1 == HELD_OUT_SEED:
        raise ValueError(
            "The nets of a run's validation have the seed after its own, which must not be that "
            f"of the held-out nets, {HELD_OUT_SEED}: choose another. Received: seed={seed}"
        )
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    family = NetFamily(split="train", **{"deduplicate": True, **options})
    nets = dataclasses.asdict(family)
    last = output / LAST
    told = {**recipe.told(), **nets, "seed": seed, "validation": validation}
    keep_to(output / RECIPE, told)
    if last.exists():
        model = keras.models.load_model(last)
    else:
        model = recipe.new_model(family.height, family.width)
        recipe.compile(model)
    done = int(model.optimizer.iterations) // recipe.steps_per_epoch
    batches = recipe.batches(seed, done, **nets)
    x, y = generate(validation, seed + 1, **{**nets, "split": "validation"})
    best = BestF1Checkpoint(output / BEST, monitor="val_pixel_f1_without_pins")
    model.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=done,
        validation_data=(x, y),
        validation_batch_size=100,
        callbacks=[
            best,
            TrainingCurves(output),
            RoutePreview(x[:PREVIEWED], y[:PREVIEWED], output),
            Clock(output / SECONDS),
            *callbacks,
            # The last, so that an epoch counts as done when all is written that tells of it.
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: save(model, last)),
        ],
        shuffle=False,  # nets are random already, and a continued run gets the same batches
        verbose=verbose,
    )
    best.set_model(model)
    best.restore()
    return model


def hours(output: str | os.PathLike) -> float:
    """Return the hours that the epochs of a run took, without interruptions."""
    with open(pathlib.Path(output) / SECONDS, newline="") as file:
        return sum(float(seconds) for _, seconds in csv.reader(file)) / 3600


class Clock(keras.callbacks.Callback):
    """Keeps the seconds of each epoch in a file; an epoch that is done again replaces its row."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        rows = []
        if self.path.exists():
            with open(self.path, newline="") as file:
                rows = [row for row in csv.reader(file) if int(row[0]) <= epoch]
        rows.append([epoch + 1, round(time.perf_counter() - self.started, 1)])
        with written_whole(self.path) as path, open(path, "w", newline="") as file:
            csv.writer(file).writerows(rows)


def save(model: keras.Model, path: pathlib.Path) -> None:
    """Write a model as a whole or not at all."""
    with written_whole(path) as temporary:
        model.save(temporary)
