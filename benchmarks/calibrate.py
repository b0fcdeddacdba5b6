"""Calibration time against depth.

Example:

    python benchmarks/calibrate.py --images 50

Calibrates networks of 10, 50 and 150 equal convolutions. Compares the time with one eager pass of
the same quantized model, layer by layer. The bound is three passes and 10 ms for each quantizer.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.quantizer import quantizers


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--target", default="paper")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    x = np.random.default_rng(0).normal(size=(options.images, 32, 32, 16)).astype("float32")
    print(
        f"{'layers':>7}{'quantizers':>11}{'pass s':>8}{'calibrate s':>12}{'bound s':>8}"
        f"{'of bound':>9}{'ms/layer':>9}"
    )
    for depth in (10, 50, 150):
        model = keras_alt.quantize_model(
            network(depth), keras_alt.QuantizeConfig(target=options.target)
        )
        keras_alt.calibrate(model, x, verbose=False)
        walks, passes = [], []
        for _ in range(options.repeats):
            walks.append(seconds(keras_alt.calibrate, model, x, verbose=False))
            passes.append(seconds(one_pass, model, x))
        walk, one, count = min(walks), min(passes), len(quantizers(model))
        bound = 3 * one + 0.01 * count
        print(
            f"{depth:7}{count:11}{one:8.2f}{walk:12.2f}{bound:8.2f}{walk / bound:9.2f}"
            f"{1e3 * walk / depth:9.1f}"
        )


def network(depth):
    inputs = x = keras.Input((32, 32, 16))
    for _ in range(depth):
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, x)


def one_pass(model, x):
    for start in range(0, len(x), 32):
        y = x[start : start + 32]
        for layer in model.layers[1:]:
            y = layer(y)


def seconds(function, *args, **kwargs):
    started = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
