"""Train a small network on handwritten digits, quantize it, retrain it, save it.

Example:

    python examples/quickstart.py --output output/quickstart

Prints a table of accuracies. Writes pictures, a report, the quantized models, their C and
results.json to the output folder. `demo_page.py` shows all that on one page. Takes about three
minutes on two cores.
"""

import argparse
import pathlib
import shutil
import sys
import time

import keras
import numpy as np
from demo_results import Made, command, versions, write_results
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

    np.savez_compressed(options.output / "test.npz", x=test[0], y=test[1])
    rows = [compared(model, bits, train, validation, test, options) for bits in options.bits]
    print_table(rows, len(test[1]))
    figures = {
        "command": command("python", *sys.argv),
        "training_images": len(train[1]),
        "test_images": len(test[1]),
        "epochs": options.epochs,
        "retrain_epochs": options.retrain_epochs,
        "float_weights": model.count_params(),
        "networks": rows,
        "versions": versions("keras-alt", "keras", "tensorflow", "numpy"),
    }
    write_results(options.output, figures, [file for row in rows for file in made(row, options)])
    print(f"\npictures, reports and models are in {options.output}")
    if any(row["differ"] for row in rows):
        raise SystemExit(1)


def compared(model, bits, train, validation, test, options):
    """Quantize in three ways and write what comes out; return a row of the table."""
    name = "INT8" if bits == 8 else f"INT{bits} weights"
    stem = options.output / name.replace(" ", "_").lower()
    config = keras_alt.QuantizeConfig(weights=bits)
    static = keras_alt.quantize_model(model, config, calibration_data=train[0])
    weights_only = retrain(model, config, train, validation, options, thresholds=0)
    started = time.time()
    history = ThresholdHistory()
    alt = retrain(model, config, train, validation, options, callbacks=[history])
    row = {"name": name, "stem": stem.name, "bits": bits}
    ways = {"float": model, "static": static, "weights": weights_only, "alt": alt}
    row |= {way: accuracy(trained, test) for way, trained in ways.items()}
    row["seconds"] = time.time() - started
    return row | written(alt, history, train, test, stem)


def written(model, history, train, test, stem):
    """Write a network, its report, pictures and C; return what was measured."""
    check_reload(model, stem.with_suffix(".keras"), test[0])
    report = keras_alt.report(model, train[0])
    report.to_html(f"{stem}_report.html", history=history, command=command("python", *sys.argv))
    history.plot(f"{stem}_thresholds.png")
    plot_distributions(model, history, train[0], f"{stem}_distributions.png")
    shutil.rmtree(f"{stem}_c", ignore_errors=True)  # of an earlier run
    keras_alt.export.to_c(model, f"{stem}_c")
    proof = keras_alt.verify(model, test[0], verbose=False)
    moved = [np.ceil(log2[-1]) != np.ceil(log2[0]) for log2 in history.history.values()]
    return {
        "codes": proof.total,
        "differ": proof.mismatches,
        "thresholds": len(moved),
        "moved": sum(map(int, moved)),
        "weight_bytes": report.weight_bytes,
        "multiply_accumulates": report.multiply_accumulates,
        "sum_bits": max(accumulator.bits for accumulator in report.accumulators),
    }


def print_table(rows, images):
    ways = {"float": "float", "static": "static", "weights": "weights", "alt": "ALT"}
    print(f"\n{f'accuracy on {images} test images':28}", end="")
    print("".join(f"{title:>9}" for title in (*ways.values(), "seconds")))
    for row in rows:
        accuracies = "".join(f"{row[way]:9.2%}" for way in ways)
        print(f"{row['name']:28}{accuracies}{row['seconds']:9.0f}")
    print()
    for row in rows:
        before, after = row["weight_bytes"]["float"], row["weight_bytes"]["quantized"]
        print(
            f"{row['name']}: {before:,} bytes of weights become {after:,}; {row['sum_bits']} bits "
            f"hold every sum; {row['differ']} of {row['codes']} codes of the integers differ"
        )


def made(row, options):
    """Return what a network left in the output folder, with the command that proves it."""
    stem, folder = row["stem"], options.output
    model = folder / f"{stem}.keras"
    verify = command("keras-alt", "verify", model, "--data", folder / "test.npz", "--engines")
    return [
        Made(f"{stem}.keras", f"the network with {row['name']}, for Keras", f"{verify} integer"),
        Made(f"{stem}_c", "the same network as C99, integers alone", f"{verify} c"),
        Made(
            f"{stem}_report.html",
            "every threshold, width and error",
            command("keras-alt", "report", model),
        ),
    ]


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
    kept = options.output / "best.weights.h5"
    kept.unlink(missing_ok=True)  # of an earlier configuration
    best = BestCheckpoint(kept, validation_data=validation)
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
    reloaded = keras.models.load_model(path, compile=False)
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
