"""Quantize a trained router with keras_alt, retrain it, and compare it with the float one.

Examples:

    python examples/quantize_router.py
    python examples/quantize_router.py --preset output/router_32 --steps 2000 --bits 8 4

Activations have 8 bits. Weights have the given widths, but 8 bits in the first and last layers.
Each width is measured on nets of the validation split, calibrated and then retrained. Its codes are
compared with those of the integer engine.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow turns oneDNN off on processors without VNNI, but its convolutions are faster there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

import keras_alt
from keras_alt.calibration import maximum, three_sigma
from keras_alt.callbacks import FreezeThresholds
from keras_route import NetDataset, Router, evaluate, generate
from keras_route.losses import ScoreCrossEntropy


def main():
    options = parse()
    keras.utils.set_random_seed(options.seed)
    size = {"height": options.size, "width": options.size}
    x = generate(options.calibration, options.seed, split="train", **size)[0].astype("float32")
    router = Router.from_preset(options.preset)
    rows = {"float": measured(router, options, size)}
    student = None
    for bits in sorted(options.bits, reverse=True):
        config = keras_alt.QuantizeConfig(weights=bits, target=options.target)
        static = keras_alt.quantize_model(router, config)
        keras_alt.calibrate(static, x, activations=maximum)
        rows[f"INT{bits}, static"] = measured(static, options, size)
        student = begun(router, config, x, student)
        retrain(student, options, size)
        rows[f"INT{bits}, retrained"] = measured(student, options, size)
        result = keras_alt.verify(student, x[: options.verified])
        print(f"INT{bits} in integers: {result}")
        options.output.mkdir(parents=True, exist_ok=True)
        student.save(options.output / f"router_int{bits}.keras")
    for name, figures in rows.items():
        print(f"{name:16} {figures['all']}")


def begun(router, config, x, wider):
    """Return a network to retrain. If `wider` is given, it is that network with fewer bits.

    The thresholds trained with more bits are kept, because they clip outlying weights.
    """
    if wider is not None:
        return keras_alt.retarget(wider, weights=config.weights)
    student = keras_alt.quantize_model(router, config)
    keras_alt.calibrate(student, x, weights=three_sigma, activations=maximum)
    return student


def retrain(student, options, size):
    rate = keras.optimizers.schedules.CosineDecay(
        options.rate / 100,
        options.steps - options.steps // 10,
        warmup_target=options.rate,
        warmup_steps=options.steps // 10,
    )
    student.compile(
        keras_alt.optimizers.alt(rate, steps=options.steps),
        ScoreCrossEntropy(on_weight=1.0),
        jit_compile=keras.backend.backend() == "jax",
    )
    fresh = NetDataset(
        options.batch_size, options.steps, options.seed, split="train", deduplicate=True, **size
    )
    student.fit(fresh, callbacks=[FreezeThresholds(start=0.5)], verbose=options.verbose)


def measured(model, options, size):
    progress = keras.utils.Progbar(options.count, unit_name="net", verbose=options.verbose)
    return evaluate(model, options.count, progress=progress.update, **size)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="router_32", help="name, or path without suffix")
    parser.add_argument("--size", type=int, default=32, help="size of the window in pixels")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4], help="widths of the weights")
    parser.add_argument("--target", default="paper", help="target: the engine's rules")
    parser.add_argument("--steps", type=int, default=4000, help="retraining steps of each width")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3, help="largest weight learning rate")
    parser.add_argument("--calibration", type=int, default=256, help="calibration nets")
    parser.add_argument("--count", type=int, default=10_000, help="held-out nets")
    parser.add_argument("--verified", type=int, default=100, help="nets compared in integers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="as in fit")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/router"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
