"""Train for 10,000 steps and see that nothing grows: memory, threads, files, graphs, objects.

Example:

    python benchmarks/long_run.py

A small quantized network trains with all callbacks of the package, an epoch of 100 steps after the
other, on TensorFlow. The table has a row for every thousand steps; the first thousand fills caches.
"""

import argparse
import gc
import json
import os
import pathlib
import tempfile
import threading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from growth import resident
from keras import layers as L

import keras_alt
from keras_alt import callbacks

BATCH, STEPS_PER_EPOCH = 8, 100


class Watch(keras.callbacks.Callback):
    """Takes a row of figures every thousand steps."""

    def __init__(self, every):
        super().__init__()
        self.every, self.done, self.rows, self.traces = every, 0, [], 0

    def count_traces(self, model):
        """Count the calls of `train_step`: a graph calls it only when it is traced."""
        step = model.train_step

        def counted(data):
            self.traces += 1
            return step(data)

        model.train_step = counted

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1

    def on_epoch_end(self, epoch, logs=None):
        if self.done % self.every == 0:
            gc.collect()
            self.rows.append({"steps": self.done, **figures(), "traces": self.traces})
            print(json.dumps(self.rows[-1]), flush=True)


def figures():
    return {
        "memory MB": round(resident(), 1),
        "threads": len(os.listdir("/proc/self/task")),
        "Python threads": threading.active_count(),
        "open files": len(os.listdir("/proc/self/fd")),
        "objects": len(gc.get_objects()),
    }


def sparsity(step):
    return step % 50 == 0, min(0.5, step / 10_000)


def main():
    options = parse()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS_PER_EPOCH, 16)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(16, 4))).astype("float32")
    data, validation = (x, y), (x[:64], y[:64])
    keras.utils.set_random_seed(0)
    hidden = [L.Dense(16, "relu"), L.Dense(16, "relu")]
    network = keras.Sequential([keras.Input((16,)), *hidden, L.Dense(4)])
    model = keras_alt.quantize_model(network, calibration_data=x)
    optimizer = keras_alt.optimizers.alt(1e-3, steps=options.steps)
    model.compile(optimizer, "mse", jit_compile=False)
    watch = Watch(options.every)
    watch.count_traces(model)
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        used = [
            callbacks.FreezeThresholds(0.5),
            callbacks.FreezeOscillating(),
            callbacks.Prune(sparsity),
            callbacks.ThresholdHistory(place / "history"),
            callbacks.BestCheckpoint(place / "best.keras", "val_loss"),
            watch,
            callbacks.Backup(place / "backup.weights.h5"),
        ]
        epochs = options.steps // STEPS_PER_EPOCH
        told = {"validation_data": validation, "validation_batch_size": 64, "verbose": 0}
        model.fit(*data, batch_size=BATCH, epochs=epochs, callbacks=used, **told)
    names = list(watch.rows[0])
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in watch.rows:
        print(f"| {' | '.join(str(row[name]) for name in names)} |")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1_000, help="steps between rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
