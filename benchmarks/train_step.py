"""Compare a training step of the quantized network with those of float ones, in one process.

Example:

    python benchmarks/train_step.py --model FILE --batch-size 32

Prints the median milliseconds per training step, the time to the first step, the time of a step at
an unseen batch size, and the peak memory. The steps of the networks take turns. Memory is measured
in one process for each network. Without --model, a MobileNetV2 0.35 at 96x96 with random weights is
measured.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.calibration import maximum
from keras_alt.transforms import fold_batch_norm, inline

VARIANTS = ("float", "folded", "litert", "paper", "tfmot")


def main():
    options = parse()
    if options.only:
        print(json.dumps(measure_memory(options)))
        return
    memory = {name: in_a_process(name) for name in VARIANTS}
    steps = {name: trainer(name, options) for name in VARIANTS}
    first = {name: seconds(step, *batch(options)) for name, step in steps.items()}
    times = {name: [] for name in steps}
    for _ in range(options.steps):
        for name, step in steps.items():
            times[name].append(seconds(step, *batch(options)))
    median = {name: float(np.median(values[2:])) for name, values in times.items()}
    unseen = {n: seconds(s, *batch(options, options.batch_size - 3)) for n, s in steps.items()}
    print(
        f"{'':8}{'ms/step':>9}{'x float':>9}{'x folded':>9}{'x tfmot':>9}"
        f"{'first s':>9}{'unseen s':>9}{'peak MB':>9}{'x float':>9}"
    )
    for name in VARIANTS:
        ratios = [median[name] / median[other] for other in ("float", "folded", "tfmot")]
        print(
            f"{name:8}{1e3 * median[name]:9.1f}"
            + "".join(f"{ratio:9.2f}" for ratio in ratios)
            + f"{first[name]:9.1f}{unseen[name]:9.2f}{memory[name]:9.0f}"
            + f"{memory[name] / memory['float']:9.2f}"
        )


def trainer(name, options):
    """Return a function that makes one training step on (x, y)."""
    if name == "tfmot":
        return tfmot_trainer(options)
    model = network(options)
    if name == "folded":
        model = fold_batch_norm(inline(model))
    elif name != "float":
        model = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=name))
        x = batch(options)[0]
        # One sample at a time, so that calibration does not add to the peak memory of training.
        keras_alt.calibrate(model, x, activations=maximum, batch_size=1, verbose=False)
    quantized = name in ("litert", "paper")
    optimizer = keras_alt.optimizers.alt(1e-6) if quantized else keras.optimizers.Adam(1e-6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    return model.train_on_batch


def network(options):
    if options.model:
        model = keras.models.load_model(options.model, compile=False)
        options.size = model.input_shape[1]
        return model
    if options.network == "resnet20":
        return resnet20(keras)
    return keras.applications.MobileNetV2(
        (options.size, options.size, 3), 0.35, weights=None, classes=10, classifier_activation=None
    )


def tfmot_trainer(options):
    """Return the step of tensorflow-model-optimization's quantization-aware training."""
    from keras_alt.tfmot.packages import imported  # imported here, so that its memory counts only where it is used

    tfmot, tf_keras = imported()

    if options.network == "resnet20":
        model = resnet20(tf_keras)
    else:
        model = tf_keras.applications.MobileNetV2(
            (options.size, options.size, 3),
            0.35,
            weights=None,
            classes=10,
            classifier_activation=None,
        )
    model = tfmot.quantization.keras.quantize_model(model)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(1e-6), loss)
    return model.train_on_batch


def resnet20(library):
    """Return the ResNet20 of CIFAR-10 with projection shortcuts, in Keras 3 or tf_keras."""
    layers = library.layers

    def conv(x, filters, strides=1, kernel=3):
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = library.Input((32, 32, 3))
    x = layers.ReLU()(conv(inputs, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = conv(layers.ReLU()(conv(x, filters, strides)), filters)
            shortcut = conv(x, filters, strides, 1) if strides == 2 else x
            x = layers.ReLU()(layers.Add()([shortcut, y]))
    return library.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def batch(options, size=None):
    rng = np.random.default_rng(0)
    size = size or options.batch_size
    shape = (size, options.size, options.size, 3)
    return rng.uniform(-1, 1, shape).astype("float32"), rng.integers(0, 10, size)


def seconds(step, x, y):
    started = time.perf_counter()
    step(x, y)
    return time.perf_counter() - started


def in_a_process(name):
    arguments = [sys.executable, __file__, *sys.argv[1:], "--only", name]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def measure_memory(options):
    step = trainer(options.only, options)
    x, y = batch(options)
    for _ in range(5):
        step(x, y)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=("mobilenet", "resnet20"), default="mobilenet")
    parser.add_argument("--model", help="Keras model file to measure instead of random weights")
    parser.add_argument("--size", type=int, help="of the images; 96, or 32 for resnet20")
    parser.add_argument("--batch-size", type=int, help="32, or 64 for resnet20")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    small = options.network == "resnet20"
    options.size = options.size or (32 if small else 96)
    options.batch_size = options.batch_size or (64 if small else 32)
    return options


if __name__ == "__main__":
    main()
