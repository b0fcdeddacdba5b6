"""The works that `kills.py` interrupts, each a function that starts or goes on in a folder."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable

import keras
import numpy as np
from file_contents import contents
from keras import layers as L

import keras_alt
from keras_alt.callbacks import (
    Backup,
    BestCheckpoint,
    FreezeBatchNorm,
    FreezeThresholds,
    Prune,
    ThresholdHistory,
)
from keras_alt.cli import commands
from keras_alt.files import written_whole
from keras_route.cli import commands as route_commands
from keras_route.random_design.files import write_random_design
from keras_route.training.recipes import RECIPES
from keras_route.training.run import train

WINDOW = {"height": 8, "width": 9}


@dataclasses.dataclass(frozen=True)
class Work:
    """What is killed and started again.

    Attributes:
        run: `(inputs, folder, begun)`; starts or goes on in `folder`, and calls `begun` when all
            that it needs is loaded.
        prepare: writes what `run` reads into a folder, once; or None.
        finished: `folder -> bool`, whether a run that was killed had written all it writes, for
            commands that refuse a folder that is complete; or None.
        left: `folder -> {name: hash}`, what must be the same with kills and without.
    """

    run: Callable
    prepare: Callable | None = None
    finished: Callable | None = None
    left: Callable = contents


def network():
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((8, 8, 3))
    for filters in (4, 4):
        x = L.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization()(x))
    return keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def data(samples=48):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 8, 8, 3)).astype("float32")
    return x, rng.integers(0, 4, samples)


def write_float(inputs):
    network().save(inputs / "float.keras")
    x, y = data()
    np.savez(inputs / "data.npz", x=x, y=y)


def write_quantized(inputs):
    write_float(inputs)
    for target in ("litert", "hls"):
        config = keras_alt.QuantizeConfig(target=target)
        model = keras_alt.quantize_model(network(), config, calibration_data=data()[0])
        model.save(inputs / f"{target}.keras")


def rows(samples=24):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 6)).astype("float32")
    return x, x @ rng.normal(size=(6, 2)).astype("float32")


def dense_network():
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((6,))
    x = L.ReLU()(L.BatchNormalization()(L.Dense(8, use_bias=False, name="hidden")(x)))
    return keras.Model(inputs, L.Dense(2, name="head")(x))


def write_student(inputs):
    config = keras_alt.QuantizeConfig(batch_norm="train")
    model = keras_alt.quantize_model(dense_network(), config, calibration_data=rows()[0])
    model.save(inputs / "student.keras")


def growing_sparsity(step):
    return step % 3 == 0, min(0.6, 0.1 + step / 20)


def train_quantized(inputs, folder, begun, backup=Backup):
    """Train with the callbacks of the package, and keep the result."""
    model = keras.models.load_model(inputs / "student.keras")
    begun()
    callbacks = [
        FreezeBatchNorm(4),
        FreezeThresholds(0.5),
        Prune(growing_sparsity, skip=["head"]),
        ThresholdHistory(folder / "thresholds"),
        BestCheckpoint(folder / "best.keras", "val_loss", validation_data=rows()),
        backup(folder / "backup.weights.h5"),
    ]
    train_rows(model, keras_alt.optimizers.alt(1e-2, steps=18), callbacks, folder)


def train_float(inputs, folder, begun):
    """Prune a float network."""
    model = dense_network()
    begun()
    best = BestCheckpoint(folder / "best.weights.h5", "val_loss")
    callbacks = [Prune(growing_sparsity), best, Backup(folder / "backup.weights.h5")]
    train_rows(model, keras.optimizers.Adam(1e-2), callbacks, folder)


def train_rows(model, optimizer, callbacks, folder):
    model.compile(optimizer, "mse", run_eagerly=True)  # a few steps take less time than a trace
    options = {"batch_size": 8, "epochs": 6, "shuffle": False, "verbose": 0}
    model.fit(*rows(), validation_data=rows(), callbacks=callbacks, **options)
    with written_whole(folder / "last.weights.h5") as path:
        model.save_weights(path)


def with_keras_own_backup(inputs, folder, begun):
    """Train as `train_quantized` does, with the backup of Keras."""

    def backup(path):
        return keras.callbacks.BackupAndRestore(str(path), double_checkpoint=True)

    train_quantized(inputs, folder, begun, backup)


@keras.saving.register_keras_serializable("kills")
class SmallRouter(keras.Model):
    """A network that is traced in a second."""

    def __init__(self, **kwargs):
        inputs = keras.Input((None, None, 1))
        outputs = L.Conv2D(16, 3, padding="same")(inputs)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def for_window(cls, height, width):
        return cls()

    def get_config(self):
        return {}


def train_router(inputs, folder, begun):
    recipe = dataclasses.replace(
        RECIPES["router"], network=SmallRouter, steps_per_epoch=4, epochs=3
    )
    begun()
    train(recipe, folder / "run", validation=32, verbose=0, **WINDOW)


def alt(words, begun, statuses=(0,)):
    begun()
    status = commands.main([*map(str, words), "--debug"])
    if status not in statuses:
        raise RuntimeError(f"keras-alt {words[0]} must succeed. Received: status={status}")


def route(words, begun):
    begun()
    status = route_commands.main([*map(str, words)])
    if status:
        raise RuntimeError(f"keras-route {words[0]} must succeed. Received: status={status}")


def export_integers(inputs, folder, begun):
    words = ["export", inputs / "litert.keras", "--output", folder / "files", "--retarget"]
    alt([*words, "--to", "litert", "onnx", "c", "integers", "--data", inputs / "data.npz"], begun)


def export_fpga(inputs, folder, begun):
    words = ["export", inputs / "hls.keras", "--output", folder / "files", "--to"]
    alt([*words, "qonnx", "hls4ml"], begun)


def export_saved_model(inputs, folder, begun):
    words = ["export", inputs / "litert.keras", "--output", folder / "files", "--to"]
    alt([*words, "saved_model"], begun)


def deploy(inputs, folder, begun):
    words = ["deploy", inputs / "float.keras", "--output", folder / "files", "--proof", 16]
    words += ["--data", inputs / "data.npz", "--recipe", "calibrate", "--to", "litert", "c"]
    alt(words, begun)


def bundle(inputs, folder, begun):
    words = ["verify", inputs / "litert.keras", "--data", inputs / "data.npz"]
    alt([*words, "--engines", "litert", "--bundle", folder / "files"], begun)


def generate(inputs, folder, begun):
    route(["generate", folder / "nets.hdf5", "--count", 4000, "--batch-size", 64], begun)


def generate_windows(inputs, folder, begun):
    words = ["generate", folder / "windows.npz", "--labels", "search", "--count", 1100]
    route([*words, "--processes", 1], begun)


def write_design(inputs):
    write_random_design(inputs, 60, seed=2, verbose=False)


def route_chip(inputs, folder, begun):
    from keras_route.chip import whole_chip

    whole_chip.SAVED_EVERY = 0.05  # seconds, so that a small design is saved too
    placed, *lefs = (inputs / name for name in ("placed.def", "tech.lef", "cells.lef"))
    words = ["chip", placed, "--lef", *lefs, "--output", folder / "routed"]
    route([*words, "--jobs", 1], begun)


def clean_routes(folder):
    """Return names of files, and which nets are routed and clean: other routes are as legal."""
    metrics = json.loads((folder / "routed" / "metrics.json").read_text())
    same = ("route__nets", "route__nets__routed", "route__drc_errors", "route__opens")
    return {**dict.fromkeys(contents(folder), ""), **{name: metrics[name] for name in same}}


def has_files(folder):
    """Return whether a command that writes a whole folder had written it."""
    with contextlib.suppress(FileNotFoundError):
        return bool(os.listdir(folder / "files"))
    return False


WORKS = {
    "train": Work(train_quantized, write_student),
    "train a float network": Work(train_float),
    "train a router": Work(train_router),
    "export litert onnx c integers": Work(export_integers, write_quantized, has_files),
    "export qonnx hls4ml": Work(export_fpga, write_quantized, has_files),
    "export saved_model": Work(export_saved_model, write_quantized, has_files),
    "deploy": Work(deploy, write_float, has_files),
    "verify --bundle": Work(bundle, write_quantized, has_files),
    "generate": Work(generate),
    "generate --labels search": Work(generate_windows),
    "chip": Work(route_chip, write_design, left=clean_routes),
}
KERAS_BACKUP = Work(with_keras_own_backup, write_student)
