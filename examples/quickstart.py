"""Train a small network on handwritten digits, quantize it, retrain it, save it.

Example:

    python examples/quickstart.py --output output/quickstart

Prints a table of accuracies. Writes pictures, a report and the quantized models to the output
folder. Takes about three minutes on two cores.
"""

import argparse
import pathlib
import time

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_alt
from keras_alt.calibration import three_sigma
from keras_alt.callbacks import BestCheckpoint, FreezeThresholds, ThresholdHistory

BATCH = 32


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    train, validation, test = digits()
    model = depthwise_separable_net()
    model.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        *train, batch_size=BATCH, epochs=options.epochs, validation_data=validation, verbose=2
    )

    rows = []
    for bits in options.bits:
        name = "INT8" if bits == 8 else f"INT{bits} weights"
        config = keras_alt.QuantizeConfig(weights=bits)
        static = keras_alt.quantize_model(model, config, calibration_data=train[0])
        weights_only = retrain(model, config, train, validation, options, thresholds=0)
        started = time.time()
        history = ThresholdHistory()
        alt = retrain(model, config, train, validation, options, callbacks=[history])
        accuracies = [accuracy(m, test) for m in (model, static, weights_only, alt)]
        rows.append((name, *accuracies, time.time() - started))

        stem = name.replace(" ", "_").lower()
        check_reload(alt, options.output / f"{stem}.keras", test[0])
        report = keras_alt.report(alt, train[0])
        report.to_html(options.output / f"{stem}_report.html", history=history)
        history.plot(options.output / f"{stem}_thresholds.png")
        plot_distributions(alt, history, train[0], options.output / f"{stem}_distributions.png")

    print(
        f"\n{'accuracy on ' + str(len(test[1])) + ' test images':28}"
        f"{'float':>9}{'static':>9}{'weights':>9}{'ALT':>9}{'seconds':>9}"
    )
    for name, *accuracies, seconds in rows:
        print(f"{name:28}" + "".join(f"{a:9.2%}" for a in accuracies) + f"{seconds:9.0f}")
    print("\n" + str(keras_alt.report(alt)).rsplit("\n\n", 1)[-1])
    print(f"\npictures, reports and models are in {options.output}")


def digits():
    """Return (x, y) for training, validation and test: 8x8 images in [0, 1]."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), y[order]
    return (x[:1097], y[:1097]), (x[1097:1297], y[1097:1297]), (x[1297:], y[1297:])


def depthwise_separable_net():
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for filters, strides in ((32, 1), (64, 2), (64, 1)):
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="digits")


def retrain(model, config, train, validation, options, thresholds=1e-2, callbacks=()):
    """Quantize and retrain a model; return it with the weights of the best validation."""
    keras.utils.set_random_seed(options.seed)
    quantized = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(quantized, train[0], weights=three_sigma, verbose=False)
    steps = options.retrain_epochs * -(-len(train[0]) // BATCH)
    optimizer = keras_alt.optimizers.alt(weights=5e-4, thresholds=thresholds, steps=steps)
    quantized.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = BestCheckpoint(options.output / "best.weights.h5", validation_data=validation)
    if thresholds:
        callbacks = [*callbacks, FreezeThresholds(start=0.5)]
    quantized.fit(
        *train,
        batch_size=BATCH,
        epochs=options.retrain_epochs,
        validation_data=validation,
        callbacks=[best, *callbacks],
        verbose=2,
    )
    best.restore()
    return quantized


def accuracy(model, test):
    return float(np.mean(model.predict(test[0], verbose=0).argmax(-1) == test[1]))


def check_reload(model, path, x):
    model.save(path)
    reloaded = keras.models.load_model(path)
    same = np.array_equal(model.predict(x, verbose=0), reloaded.predict(x, verbose=0))
    print(f"{path.name}: reloaded, outputs {'bit-identical' if same else 'DIFFER'}")
    if not same:
        raise SystemExit(1)


def plot_distributions(model, history, x, path):
    """Draw inputs and both thresholds of the six quantizers whose thresholds moved most."""
    moved = {name: abs(log2[-1] - log2[0]) for name, log2 in history.history.items()}
    kernels = [name for name in moved if name.endswith("/kernel")]
    outputs = [name for name in moved if name.endswith("/output")]
    chosen = [n for group in (kernels, outputs) for n in sorted(group, key=moved.get)[-3:]]
    seen = {}
    found = keras_alt.quantizers(model)
    for name in chosen:
        found[name].observer = lambda q, values, name=name: seen.setdefault(
            name, keras.ops.convert_to_numpy(values).ravel()
        )
    model(x[:256])
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, name in zip(figure.subplots(2, 3).flat, chosen, strict=True):
        found[name].observer = None
        axes.hist(seen[name], bins=120, log=True, color="0.7")
        for log2, label, color in (
            (history.history[name][0], "calibrated", "tab:blue"),
            (np.log2(found[name].threshold), "trained", "tab:red"),
        ):
            for side in (1, -1) if found[name].format.signed else (1,):
                axes.axvline(side * 2**log2, color=color, label=label if side > 0 else None)
        axes.set_title(f"{name} ({found[name].format})", fontsize=9)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=130)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/quickstart"))
    parser.add_argument("--epochs", type=int, default=30, help="epochs of the float network")
    parser.add_argument("--retrain-epochs", type=int, default=12, help="epochs of retraining")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4], help="widths of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="one epoch each, for tests")
    options = parser.parse_args()
    if options.smoke:
        options.epochs = options.retrain_epochs = 1
    return options


if __name__ == "__main__":
    main()
