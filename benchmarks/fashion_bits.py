"""Compare float, static, weights only and weights + thresholds at 8 and 4 bits on Fashion-MNIST.

Example:

    python benchmarks/fashion_bits.py --data fashion_mnist.npz --seeds 0 1

The networks of `fashion_networks.py` are trained in float. Each is then trained further for the
same number of steps in float, with calibrated and fixed thresholds, and with trained ones. Targets
of this training are half label, half output of the first float network, for all of them. `narrowed`
takes the trained 8 bits and is trained for as many steps again, at 6, 5 and 4 bits in turn;
`rounded` rounds the trained 8 bits to 4 and is trained for as many steps again, with fixed
thresholds. Prints
accuracies in percent, and differences from the float network that was trained further: mean of the
seeds, paired image by image, with the standard error over images. `--on validation` prints those of
the last training images, which no network trains on. The output folder keeps what is finished, so
that the same command goes on after an interruption.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from fashion_networks import FAMILIES

import keras_alt
from keras_alt.calibration import maximum, mse
from keras_alt.callbacks import FreezeThresholds

CALIBRATION = 256
VALIDATION = 5000


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    data = load(options)
    for name in options.only or FAMILIES:
        for seed in options.seeds:
            for run in ("first float", "float", *options.runs):
                path = stem(name, run, seed, options).with_suffix(".npz")
                if not path.exists():
                    model = VARIANTS[run](name, seed, data, options)
                    np.savez(path, **{part: correct(model, *data[part]) for part in JUDGED})
                hits = np.load(path)
                print(f"{path.stem}: {100 * hits[options.on].mean():.2f}", flush=True)
        print(table(name, options), flush=True)


def first_float(name, seed, data, options):
    keras.utils.set_random_seed(seed)
    model = FAMILIES[name]()
    x, y = data["train"]
    rate = schedule(options.first_rate, options.epochs, len(y), options)
    compile_and_fit(model, keras.optimizers.Adam(rate), x, y, options.epochs, options)
    model.save(stem(name, "first float", seed, options).with_suffix(".keras"))
    return model


def longer_float(name, seed, data, options):
    model, teacher = (saved(name, "first float", seed, options) for _ in range(2))
    further(model, teacher, seed, data, options)
    return model


def published(name, seed, data, options):
    """8 bits, not trained, channels as they are, thresholds at the maximum."""
    config = keras_alt.QuantizeConfig(target=options.target)
    student = keras_alt.quantize_model(saved(name, "first float", seed, options), config)
    keras_alt.calibrate(student, data["train"][0][:CALIBRATION], activations=maximum, verbose=False)
    return student


def static(bits):
    """Not trained: channels equalized and biases corrected; rounding adapted at 4 bits."""

    def run(name, seed, data, options):
        x = data["train"][0][:CALIBRATION]
        model = keras_alt.equalize(saved(name, "first float", seed, options), x, verbose=False)
        config = keras_alt.QuantizeConfig(
            weights=bits, target=options.target, weight_scales=options.weight_scales
        )
        student = keras_alt.quantize_model(model, config)
        keras_alt.calibrate(
            student,
            x,
            weights=maximum if bits == 8 else mse,
            activations=maximum,
            bias_correction=True,
            adaptive_rounding=bits < 8,
            verbose=False,
        )
        student.save(stem(name, f"int{bits} static", seed, options).with_suffix(".keras"))
        return student

    return run


def trained(bits, thresholds):
    """Trained from the static network; `thresholds` is their learning rate."""

    def run(name, seed, data, options):
        student = saved(name, f"int{bits} static", seed, options)
        rate = options.rate if bits == 8 else options.narrow_rate
        teacher = saved(name, "first float", seed, options)
        further(student, teacher, seed, data, options, rate, thresholds)
        kind = f"int{bits} {'trained' if thresholds else 'weights only'}"
        student.save(stem(name, kind, seed, options).with_suffix(".keras"))
        return student

    return run


def narrowed(name, seed, data, options):
    """Trained at 6, 5 and 4 bits, from the trained 8 bits."""
    wide = saved(name, "int8 trained", seed, options)
    teacher = saved(name, "first float", seed, options)
    bits = (6, 5, 4)

    def fit(student, width):
        epochs = options.more / len(bits)
        further(student, teacher, seed, data, options, options.narrow_rate, epochs=epochs)

    return keras_alt.narrow(wide, fit, bits)


def rounded(name, seed, data, options):
    """Trained at 8 bits, rounded to 4, trained again with fixed thresholds."""
    student = keras_alt.retarget(saved(name, "int8 trained", seed, options), weights=4)
    others = [q for n, q in keras_alt.quantizers(student).items() if not n.endswith("kernel")]
    x = data["train"][0][:CALIBRATION]
    rounding = {"bias_correction": True, "adaptive_rounding": True}
    keras_alt.calibrate(student, x, weights=mse, keep=others, verbose=False, **rounding)
    teacher = saved(name, "first float", seed, options)
    further(student, teacher, seed, data, options, options.narrow_rate, thresholds=0)
    return student


VARIANTS = {
    "first float": first_float,
    "float": longer_float,
    "int8 published": published,
    "int8 static": static(8),
    "int8 weights only": trained(8, 0),
    "int8 trained": trained(8, 1e-2),
    "int4 static": static(4),
    "int4 weights only": trained(4, 0),
    "int4 trained": trained(4, 1e-2),
    "int4 narrowed": narrowed,
    "int4 rounded": rounded,
}
RUNS = list(VARIANTS)[2:]
JUDGED = ("validation", "test")


def further(model, teacher, seed, data, options, rate=None, thresholds=1e-2, epochs=None):
    """Train `model` in place on labels and outputs of `teacher`."""
    keras.utils.set_random_seed(seed)
    x, y = data["train"]
    outputs = teacher.predict(x, 500, verbose=0)
    outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    y = (1 - options.soft) * np.eye(10, dtype="float32")[y] + options.soft * outputs
    epochs = epochs or options.more
    rate, callbacks = schedule(rate or options.rate, epochs, len(y), options), []
    if keras_alt.quantizers(model):
        steps = round(epochs * (len(y) // options.batch_size))
        optimizer = keras_alt.optimizers.alt(rate, thresholds, steps=steps)
        callbacks = [FreezeThresholds(start=0.3, every=3)] if thresholds else []
    else:
        optimizer = keras.optimizers.Adam(rate)
    compile_and_fit(model, optimizer, x, y, epochs, options, callbacks)


def schedule(rate, epochs, images, options):
    """Return a cosine schedule with a warm-up, during which thresholds find their octaves."""
    steps = round(epochs * (images // options.batch_size))
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        rate / 100, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
    )


def compile_and_fit(model, optimizer, x, y, epochs, options, callbacks=()):
    if y.ndim == 1:
        y = np.eye(10, dtype="float32")[y]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    steps = round(epochs * (len(y) // options.batch_size))
    model.fit(
        batches(x, y, options.batch_size, steps),
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=list(callbacks),
        verbose=2,
    )


def batches(x, y, size, steps):
    """Yield shuffled batches of one epoch after another."""
    generator = np.random.default_rng(np.random.randint(2**31))
    order = np.empty(0, int)
    for _ in range(steps):
        if len(order) < size:
            order = generator.permutation(len(y))
        yield x[order[:size]], y[order[:size]]
        order = order[size:]


def correct(model, x, y):
    return model.predict(x, 500, verbose=0).argmax(-1) == y


def table(name, options):
    """Return accuracies and differences of all seeds."""

    def hits(run):
        files = [stem(name, run, seed, options).with_suffix(".npz") for seed in options.seeds]
        return np.array([np.load(file)[options.on] for file in files], float)

    reference = hits("float")
    lines = [f"{name}, {options.on}, {len(options.seeds)} seeds, {reference.shape[1]} images"]
    for run in ("first float", "float", *options.runs):
        right = hits(run)
        line = f"  {run:18} {100 * right.mean():6.2f}"
        if run not in ("first float", "float"):
            difference = 100 * (right - reference)
            paired = difference.mean(0)
            error = paired.std(ddof=1) / np.sqrt(len(paired))
            seeds = ", ".join(f"{d:+.2f}" for d in difference.mean(1))
            line += f"  {paired.mean():+.2f} ± {error:.2f} ({seeds})"
        lines.append(line)
    return "\n".join(lines)


def saved(name, run, seed, options):
    file = stem(name, run, seed, options).with_suffix(".keras")
    return keras.models.load_model(file, compile=False)


def stem(name, run, seed, options):
    return options.output / f"{name} {run} {seed}".replace(" ", "_")


def load(options):
    with np.load(options.data) as file:
        x = {k: file[f"x_{k}"].astype("float32")[..., None] / 128 - 1 for k in ("train", "test")}
        y = {k: file[f"y_{k}"].astype("int32") for k in ("train", "test")}
    count = min(options.images, len(y["train"]) - VALIDATION)
    return {
        "train": (x["train"][:count], y["train"][:count]),
        "validation": (x["train"][-VALIDATION:], y["train"][-VALIDATION:]),
        "test": (x["test"], y["test"]),
    }


def parse():
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=FAMILIES)
    parser.add_argument("--runs", nargs="*", choices=RUNS, default=RUNS)
    parser.add_argument("--on", default="test", choices=JUDGED, help="images that are reported")
    parser.add_argument("--weight-scales", default="tensor", choices=("tensor", "channel"))
    parser.add_argument("--more", type=float, default=2, help="epochs of the training that follows")
    parser.add_argument("--rate", type=float, default=3e-4, help="in float and at 8 bits")
    parser.add_argument("--narrow-rate", type=float, default=1e-3, help="below 8 bits")
    parser.add_argument("--soft", type=float, default=0.5, help="share of float outputs in targets")
    return parser.parse_args()


def arguments(description):
    """Return a parser of what the first training and its data are."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="x_train, y_train, x_test, y_test as .npz")
    parser.add_argument("--target", default="litert")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--images", type=int, default=20_000, help="of the training set")
    parser.add_argument("--epochs", type=int, default=8, help="of the first training, in float")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--first-rate", type=float, default=3e-3)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/fashion"))
    return parser


if __name__ == "__main__":
    main()
