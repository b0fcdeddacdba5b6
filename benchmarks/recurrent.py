"""Compare float, static INT8 and ALT INT8 for a recurrent network that is unrolled.

Example:

    python benchmarks/recurrent.py --layer GRU --seeds 0 1 2
    python benchmarks/recurrent.py --layer LSTM --speed 10 25 50

The task: two patterns of two steps each are hidden in noise; which one comes first? A network with
one recurrent layer is trained in float, unrolled, and trained further for the same number of epochs
in float and by ALT, from the same weights and on the same batches. Static INT8 is calibrated and
not trained. Prints accuracies in percent. `--speed` prints, for each number of steps, the seconds
of `unroll` with `quantize_model` and the median milliseconds of a training step instead: the float
layer as Keras loops it, the float network unrolled, and the quantized network.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers as L

import keras_alt

FEATURES = 10


def network(layer, steps):
    inputs = keras.Input((steps, FEATURES))
    x = getattr(L, layer)(12, name="loop")(inputs)
    return keras.Model(inputs, L.Dense(2, name="head")(x))


def sequences(count, steps, seed):
    """Return sequences, and 1 for those where the second pattern comes first."""
    patterns = np.random.default_rng(1234).normal(size=(2, 2, FEATURES))
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1.5, (count, steps, FEATURES)), rng.integers(0, 2, count)
    for sequence, label in zip(x, y, strict=True):
        first, second = np.sort(rng.choice(steps // 2, 2, replace=False)) * 2
        sequence[first : first + 2] += patterns[label]
        sequence[second : second + 2] += patterns[1 - label]
    return x.astype("float32"), y


def main():
    options = parse()
    if options.speed:
        for steps in options.speed:
            speed(steps, options)
        return
    train = sequences(8000, options.steps, seed=0)
    test = sequences(10_000, options.steps, seed=1)
    print("seed: float, float retrained, static INT8, ALT INT8")
    rows = np.array([run(seed, train, test, options) for seed in options.seeds])
    print(f"mean: {', '.join(f'{value:.2f}' for value in rows.mean(0))}")
    difference = rows[:, 3] - rows[:, 1]
    error = difference.std(ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else float("nan")
    print(f"ALT INT8 minus float retrained: {difference.mean():+.2f} ± {error:.2f} points")


def run(seed, train, test, options):
    """Return the accuracies of one seed."""
    keras.utils.set_random_seed(seed)
    model = network(options.layer, options.steps)
    fit(model, keras.optimizers.Adam(5e-3), train, options.epochs)
    config = keras_alt.QuantizeConfig(target=options.target)
    quantized = keras_alt.quantize_model(keras_alt.unroll(model), config)
    keras_alt.calibrate(quantized, train[0][:512], verbose=False)
    results = [accuracy(model, test), accuracy(quantized, test)]
    for each, optimizer in (
        (model, keras.optimizers.Adam(1e-3)),
        (quantized, keras_alt.optimizers.alt(1e-3, batch_size=64)),
    ):
        keras.utils.set_random_seed(seed)
        fit(each, optimizer, train, options.more)
    before, static = results
    row = [before, accuracy(model, test), static, accuracy(quantized, test)]
    print(f"{seed}: {', '.join(f'{value:.2f}' for value in row)}", flush=True)
    return row


def fit(model, optimizer, train, epochs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    model.fit(*train, batch_size=64, epochs=epochs, verbose=0)


def accuracy(model, test):
    x, y = test
    return 100 * float((model.predict(x, batch_size=1000, verbose=0).argmax(-1) == y).mean())


def speed(steps, options):
    x, y = sequences(64, steps, seed=0)
    model = network(options.layer, steps)
    start = time.perf_counter()
    unrolled = keras_alt.unroll(model)
    config = keras_alt.QuantizeConfig(target=options.target)
    quantized = keras_alt.quantize_model(unrolled, config)
    planned = time.perf_counter() - start
    keras_alt.calibrate(quantized, x, verbose=False)
    models = {"loop": model, "unrolled": unrolled, "quantized": quantized}
    for name, each in models.items():
        optimizer = keras_alt.optimizers.alt() if name == "quantized" else keras.optimizers.Adam()
        each.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        start = time.perf_counter()
        each.train_on_batch(x, y)
        traced = time.perf_counter() - start
        times = []
        for _ in range(20):
            start = time.perf_counter()
            each.train_on_batch(x, y)
            times.append(1000 * (time.perf_counter() - start))
        times = f"{np.median(times):.1f} ms a step, {traced:.1f} s the first"
        print(f"{options.layer} of {steps} steps, {name}: {times}", flush=True)
    print(f"{options.layer} of {steps} steps: {planned:.2f} s to quantize", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", choices=["GRU", "LSTM", "SimpleRNN"], default="GRU")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--more", type=int, default=3)
    parser.add_argument("--target", default="litert")
    parser.add_argument("--speed", type=int, nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    main()
