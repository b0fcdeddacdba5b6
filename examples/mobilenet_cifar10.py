"""Quantize and retrain a MobileNetV2 that collapses under static quantization, unless equalized.

Example:

    python examples/mobilenet_cifar10.py --data DIR --model FILE --target litert --seeds 0 1 2

DIR holds `cifar10_jpeg.npz` with x_train, y_train, x_test, y_test (uint8 images and labels). FILE
is a Keras model that returns logits or probabilities. Its input is (x - mean) / std, resized to the
model's size. Any classifier of small images works, for instance a residual network:

    python examples/mobilenet_cifar10.py --data DIR --file cifar10_lossless.npz --model FILE \
        --mean 123.675 116.28 103.53 --std 58.395 57.12 57.375 --runs float int8 int4

Checkpoints are chosen on the last training images, never on the test images. With --validation 0,
the network trains on all training images, and the last epoch is used. The output folder keeps
finished runs, so the same command resumes after an interruption.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import keras_alt
from keras_alt.calibration import kl_j, maximum, mse
from keras_alt.callbacks import BestCheckpoint, FreezeThresholds, ThresholdHistory

CORRECTED = {"bias_correction": True}
ROUNDED = {"bias_correction": True, "adaptive_rounding": True}


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    data = load(options.data / options.file, options.validation)
    model = keras.models.load_model(options.model, compile=False)
    options.logits = model.layers[-1].activation is not keras.activations.softmax
    data = {part: (prepared(x, model.input_shape[1], options), y) for part, (x, y) in data.items()}
    for part, soft in (("train", options.soft), ("validation", 0.0)):
        if len(data[part][0]):
            data[part] = data[part][0], softened(*data[part], model, soft, options.logits)
    print(f"float: {correct(model, data).mean():.2%} of {len(data['test'][1])} test images")
    equalized = keras_alt.equalize(model, data["train"][0][: options.calibration])
    static(model, equalized, data, options)
    results = options.output / "results.jsonl"
    for seed in options.seeds:
        starts = {kind: model if kind == "float" else equalized for kind in options.runs}
        right = {kind: trained(kind, starts[kind], data, seed, options) for kind in options.runs}
        for kind, hits in right.items():
            row = {"run": kind, "target": options.target, "seed": seed, "accuracy": hits.mean()}
            if "float" in right and kind != "float":
                difference = hits.astype(float) - right["float"]
                row["against float"] = difference.mean()
                row["standard error"] = difference.std(ddof=1) / np.sqrt(len(difference))
            print(row, flush=True)
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")


def static(model, equalized, data, options):
    """Print what the network is without training."""
    x = data["train"][0][: options.calibration]
    for bits in options.bits:
        weights = maximum if bits == 8 else mse
        for name, start, activations, corrections in (
            ("as published, MAX", model, maximum, {}),
            ("as published, KL-J", model, kl_j, {}),
            ("equalized, MAX", equalized, maximum, {}),
            ("equalized, MAX, biases corrected", equalized, maximum, CORRECTED),
            ("equalized, KL-J, biases corrected", equalized, kl_j, CORRECTED),
            ("equalized, MAX, biases corrected, weights rounded", equalized, maximum, ROUNDED),
            ("equalized, KL-J, biases corrected, weights rounded", equalized, kl_j, ROUNDED),
        ):
            student = quantized(start, options, bits)
            rules = {"weights": weights, "activations": activations}
            keras_alt.calibrate(student, x, **rules, **corrections, samples=len(x), verbose=False)
            print(f"static INT{bits}, {name}: {correct(student, data).mean():.2%}", flush=True)


def trained(kind, model, data, seed, options):
    """Return which test images a variant gets right; reuse an earlier run's result."""
    target = "" if kind == "float" else f"_{options.target}"
    path = options.output / f"{kind}{target}_{seed}.npy"
    if not path.exists():
        np.save(path, train(kind, model, data, seed, path.with_suffix(""), options))
    return np.load(path)


def train(kind, model, data, seed, stem, options):
    """Retrain one variant; return which test images it gets right."""
    keras.utils.set_random_seed(seed)
    x = data["train"][0][: options.calibration]
    if kind == "float":
        student = keras.models.clone_model(model)
        student.set_weights(model.get_weights())
        fit(student, data, stem, options)
    elif kind.startswith("int4"):
        student = quantized(model, options, 8)
        student.load_weights(f"{stem}.weights.h5".replace(kind, "int8"))
        scales = "channel" if kind == "int4-channel" else options.weight_scales
        student = keras_alt.retarget(student, weights=4, weight_scales=scales)
        others = [q for n, q in keras_alt.quantizers(student).items() if not n.endswith("kernel")]
        keras_alt.calibrate(student, x, weights=mse, keep=others, samples=len(x), **ROUNDED)
        fit(student, data, stem, options, thresholds=0)  # moving ones would undo the rounding
    else:
        student = quantized(model, options, 8)
        keras_alt.calibrate(student, x, activations=maximum, samples=len(x), **CORRECTED)
        fit(student, data, stem, options, thresholds=0 if kind == "weights" else 1e-2)
    return correct(student, data)


def quantized(model, options, bits):
    config = keras_alt.QuantizeConfig(
        weights=bits, target=options.target, weight_scales=options.weight_scales
    )
    return keras_alt.quantize_model(model, config)


def fit(student, data, stem, options, thresholds=1e-2):
    """Train `student` in place; keep the best validation weights, or else the last ones."""
    steps = options.epochs * -(-len(data["train"][0]) // options.batch_size)
    rate = schedule(options.rate, steps)
    callbacks, validation = [], {}
    if keras_alt.quantizers(student):
        optimizer = keras_alt.optimizers.alt(rate, thresholds, steps=steps)
        callbacks.append(ThresholdHistory())
        if thresholds:
            callbacks.append(FreezeThresholds(start=0.3, every=3))
    else:
        optimizer = keras.optimizers.Adam(rate)
    if len(data["validation"][0]):
        validation = {"validation_data": data["validation"], "validation_batch_size": 250}
        pathlib.Path(f"{stem}.weights.h5").unlink(missing_ok=True)  # of an earlier run
        callbacks.append(BestCheckpoint(f"{stem}.weights.h5", validation_data=data["validation"]))
    loss = keras.losses.CategoricalCrossentropy(from_logits=options.logits)
    student.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    started = time.time()
    student.fit(
        *data["train"],
        batch_size=options.batch_size,
        epochs=options.epochs,
        **validation,
        callbacks=callbacks,
        verbose=2,
    )
    print(f"{pathlib.Path(stem).name}: {time.time() - started:.0f} s", flush=True)
    if validation:
        callbacks[-1].restore()
    else:
        student.save_weights(f"{stem}.weights.h5")
    for history in callbacks:
        if isinstance(history, ThresholdHistory):
            history.plot(f"{stem}.png")


def schedule(rate, steps):
    """Return a cosine schedule with a warm-up, during which thresholds find their octaves."""
    warmup = steps // 10
    return keras.optimizers.schedules.CosineDecay(
        rate / 100, steps - warmup, warmup_target=rate, warmup_steps=warmup
    )


def softened(x, y, model, soft, logits):
    """Mix labels with outputs of the float network as targets for every variant."""
    outputs = model.predict(x, batch_size=250, verbose=0)
    if logits:
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    return (1 - soft) * np.eye(outputs.shape[1], dtype="float32")[y] + soft * outputs


def correct(model, data):
    x, y = data["test"]
    return model.predict(x, batch_size=250, verbose=0).argmax(-1) == y


def load(path, validation):
    with np.load(path) as file:
        x, y = file["x_train"], file["y_train"].ravel()
        test = file["x_test"], file["y_test"].ravel()
    split = len(x) - validation
    return {
        "train": (x[:split], y[:split]),
        "validation": (x[split:], y[split:]),
        "test": test,
    }


def prepared(x, size, options):
    batches = [
        keras.ops.convert_to_numpy(
            keras.ops.image.resize(x[i : i + 500].astype("float32"), (size, size))
        )
        for i in range(0, len(x), 500)
    ]
    if not batches:
        return x.astype("float32")
    mean, std = np.float32(options.mean), np.float32(options.std)
    return (np.concatenate(batches) - mean) / std


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the data file")
    parser.add_argument("--file", default="cifar10_jpeg.npz", help="name of the data file")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="Keras model file")
    parser.add_argument("--mean", nargs="+", type=float, default=[127.5], help="pixel mean")
    parser.add_argument("--std", nargs="+", type=float, default=[127.5], help="pixel deviation")
    parser.add_argument("--target", default="paper", help="engine rules: paper or litert")
    parser.add_argument(
        "--weight-scales", default="tensor", choices=["tensor", "channel"], help="of kernels"
    )
    parser.add_argument(
        "--runs",
        nargs="*",
        default=["float", "weights", "int8"],
        choices=["float", "weights", "int8", "int4", "int4-channel"],
        help="weights: fixed thresholds; int4 and int4-channel (scales per channel of kernels): go "
        "on from int8; none given: static figures only",
    )
    parser.add_argument(
        "--bits", nargs="*", type=int, default=[8], help="widths of weights in the static figures"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-4, help="initial learning rate of weights")
    parser.add_argument("--soft", type=float, default=0.5, help="share of float outputs in targets")
    parser.add_argument("--calibration", type=int, default=256, help="calibration images")
    parser.add_argument("--validation", type=int, default=2000, help="training images held out")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/mobilenet"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
