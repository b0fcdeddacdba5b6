"""Quantize the router for windows with obstacles with keras_alt, and retrain it.

Examples:

    keras-route generate windows.npz --labels search --count 24000 --split train
    python examples/quantize_search_router.py windows.npz
    python benchmarks/search_router.py --models router_search_32 \\
        output/search_router/int8_calibrated.keras output/search_router/int8.keras

Weights and activations have 8 bits. The network is written after calibration and after retraining.
The codes of both are compared with those of the integer engine.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# oneDNN convolutions are faster, but TensorFlow turns them off on processors without VNNI.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

import keras_alt
from keras_alt.calibration import maximum, three_sigma
from keras_alt.callbacks import FreezeThresholds
from keras_route import SearchRouter
from keras_route.losses import ScoreCrossEntropy
from keras_route.training.search_batches import SearchBatches, examples
from keras_route.training.search_labels import read_search_labels


def main():
    options = parse()
    keras.utils.set_random_seed(options.seed)
    labels = read_search_labels(options.windows)
    x = examples(labels, slice(0, options.calibration))[0].astype("float32")
    router = SearchRouter.from_preset(options.preset)
    config = keras_alt.QuantizeConfig(target=options.target)
    options.output.mkdir(parents=True, exist_ok=True)

    static = keras_alt.quantize_model(router, config)
    keras_alt.calibrate(static, x, activations=maximum)
    written(static, x, options, "int8_calibrated")

    student = keras_alt.quantize_model(router, config)
    keras_alt.calibrate(student, x, weights=three_sigma, activations=maximum)
    rate = keras.optimizers.schedules.CosineDecay(
        options.rate / 100,
        options.steps - options.steps // 10,
        warmup_target=options.rate,
        warmup_steps=options.steps // 10,
    )
    student.compile(
        keras_alt.optimizers.alt(rate, steps=options.steps),
        ScoreCrossEntropy(options.on_weight),
        jit_compile=keras.backend.backend() == "jax",
    )
    student.fit(
        SearchBatches(labels, options.batch_size, options.steps, options.seed),
        callbacks=[FreezeThresholds(start=0.5)],
        shuffle=False,
        verbose=options.verbose,
    )
    written(student, x, options, "int8")


def written(model, x, options, name):
    print(f"{name} in integers: {keras_alt.verify(model, x[: options.verified])}", flush=True)
    path = options.output / f"{name}.keras"
    model.save(path)
    print(f"wrote {path}", flush=True)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("windows", type=pathlib.Path, help="of `keras-route generate`")
    parser.add_argument("--preset", default="router_search_32", help="name, or path without suffix")
    parser.add_argument("--target", default="paper", help="target: the engine's rules")
    parser.add_argument("--steps", type=int, default=500, help="updates of retraining")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-4, help="largest weight learning rate")
    parser.add_argument("--on-weight", type=float, default=2.0, help="of the loss")
    parser.add_argument("--calibration", type=int, default=256, help="calibration windows")
    parser.add_argument("--verified", type=int, default=50, help="windows compared in integers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="as in fit")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/search_router"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
