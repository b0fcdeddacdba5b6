"""Compare float, static INT8 and ALT INT8 on Fashion-MNIST, for networks with gates and swishes.

Example:

    python benchmarks/fashion.py --data fashion_mnist.npz --seeds 0 1 2

Two small networks are trained in float: one like MobileNetV3 (hard swish, squeeze and excitation)
and one like EfficientNet (swish, squeeze and excitation). Each is then trained further for the same
number of epochs in float and by ALT, from the same weights and on the same batches. Static INT8 is
calibrated and not trained. Prints accuracies in percent, and the differences from the float network
that was trained further, over all seeds with their standard error. `--steps` prints the median
milliseconds of a training step instead, float and ALT by turns.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers as L

import keras_alt


def gate(x, name, activation, gate):
    """Squeeze and excitation."""
    channels = x.shape[-1]
    s = L.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    s = L.Conv2D(channels // 4, 1, activation=activation, name=f"{name}_reduce")(s)
    s = L.Conv2D(channels, 1, activation=gate, name=f"{name}_expand")(s)
    return L.Multiply(name=f"{name}_scale")([x, s])


def block(x, name, filters, strides, function, squeezed, gated):
    """Inverted residual."""
    inputs, expanded = x, 4 * x.shape[-1]
    for kind, layer in (
        ("expand", L.Conv2D(expanded, 1, use_bias=False, name=f"{name}_conv")),
        (
            "depthwise",
            L.DepthwiseConv2D(3, strides, "same", use_bias=False, name=f"{name}_depthwise"),
        ),
    ):
        x = L.BatchNormalization(name=f"{name}_{kind}_norm")(layer(x))
        x = L.Activation(function, name=f"{name}_{kind}_{function}")(x)
    x = gate(x, f"{name}_gate", squeezed, gated)
    x = L.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = L.BatchNormalization(name=f"{name}_norm")(x)
    return L.Add(name=f"{name}_add")([inputs, x]) if inputs.shape == x.shape else x


def network(function, squeezed, gated):
    x = inputs = keras.Input((28, 28, 1))
    x = L.Rescaling(1 / 128, offset=-1)(x)
    x = L.Conv2D(16, 3, 2, "same", use_bias=False, name="stem")(x)
    x = L.Activation(function)(L.BatchNormalization(name="stem_norm")(x))
    for i, (filters, strides) in enumerate(((16, 1), (24, 2), (24, 1), (40, 2), (40, 1))):
        x = block(x, f"block{i}", filters, strides, function, squeezed, gated)
    x = L.Conv2D(96, 1, use_bias=False, name="top")(x)
    x = L.Activation(function)(L.BatchNormalization(name="top_norm")(x))
    return keras.Model(inputs, L.Dense(10, name="head")(L.GlobalAveragePooling2D()(x)))


NETWORKS = {
    "MobileNetV3-like": ("hard_silu", "relu", "hard_sigmoid"),
    "EfficientNet-like": ("silu", "silu", "sigmoid"),
}
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def main():
    options = parse()
    for name in options.only or NETWORKS:
        if options.steps:
            steps(name, options)
        else:
            accuracies(name, options)


def accuracies(name, options):
    train, test = data(options)
    rows = np.array([run(name, seed, train, test, options) for seed in options.seeds])
    columns = ("float", "float retrained", "static INT8", "ALT INT8")
    print(
        f"{name}: "
        + ", ".join(f"{c} {100 * m:.2f}" for c, m in zip(columns, rows.mean(0), strict=True))
    )
    for column, values in zip(columns[2:], rows.T[2:], strict=True):
        difference = 100 * (values - rows[:, 1])
        error = difference.std(ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else float("nan")
        print(f"  {column} minus float retrained: {difference.mean():+.2f} ± {error:.2f} points")


def run(name, seed, train, test, options):
    """Return the accuracies of one seed."""
    keras.utils.set_random_seed(seed)
    model = network(*NETWORKS[name])
    fit(model, keras.optimizers.Adam(schedule(3e-3, train, options.epochs)), train, options.epochs)
    config = keras_alt.QuantizeConfig(target=options.target)
    quantized = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(quantized, train[0][:512], verbose=False)
    results = [accuracy(model, test)]
    static = accuracy(quantized, test)
    for each, optimizer in (
        (model, keras.optimizers.Adam(schedule(3e-4, train, options.more))),
        (quantized, keras_alt.optimizers.alt(schedule(3e-4, train, options.more))),
    ):
        keras.utils.set_random_seed(seed)
        fit(each, optimizer, train, options.more)
    results += [accuracy(model, test), static, accuracy(quantized, test)]
    print(f"  {name} seed {seed}: {', '.join(f'{100 * r:.2f}' for r in results)}", flush=True)
    return results


def schedule(rate, train, epochs):
    return keras.optimizers.schedules.CosineDecay(rate, epochs * (len(train[0]) // 128))


def fit(model, optimizer, train, epochs):
    model.compile(optimizer, LOSS)
    model.fit(*train, batch_size=128, epochs=epochs, verbose=0)


def accuracy(model, test):
    return float((model.predict(test[0], 500, verbose=0).argmax(-1) == test[1]).mean())


def steps(name, options):
    """Time training steps of the float network and the quantized one by turns."""
    (x, y), _ = data(options)
    x, y = x[:128], y[:128]
    model = network(*NETWORKS[name])
    quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=options.target))
    keras_alt.calibrate(quantized, x, verbose=False)
    model.compile(keras.optimizers.Adam(1e-6), LOSS, jit_compile=False)
    quantized.compile(keras_alt.optimizers.alt(1e-6), LOSS, jit_compile=False)
    times = {"float": [], "ALT": []}
    for _ in range(options.steps + 3):
        for kind, each in (("float", model), ("ALT", quantized)):
            started = time.perf_counter()
            each.train_on_batch(x, y)
            times[kind].append(1e3 * (time.perf_counter() - started))
    median = {kind: float(np.median(values[3:])) for kind, values in times.items()}
    print(
        f"{name}, {options.target}: float {median['float']:.1f} ms, ALT {median['ALT']:.1f} ms, "
        f"ratio {median['ALT'] / median['float']:.2f}",
        flush=True,
    )


def data(options):
    with np.load(options.data) as file:
        images = {k: file[f"x_{k}"].astype("float32")[..., None] for k in ("train", "test")}
        labels = {k: file[f"y_{k}"].astype("int32") for k in ("train", "test")}
    count = options.images
    return (images["train"][:count], labels["train"][:count]), (images["test"], labels["test"])


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="x_train, y_train, x_test, y_test as .npz")
    parser.add_argument("--only", nargs="+", choices=NETWORKS)
    parser.add_argument("--target", default="litert")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=60_000, help="of the training set")
    parser.add_argument("--epochs", type=int, default=8, help="in float")
    parser.add_argument("--more", type=int, default=2, help="epochs of the training that follows")
    parser.add_argument("--steps", type=int, help="time this many training steps")
    return parser.parse_args()


if __name__ == "__main__":
    main()
