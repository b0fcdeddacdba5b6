"""Calibration time against depth.

Example:

    python benchmarks/calibrate.py --images 50
    python benchmarks/calibrate.py --model float.keras --images 256

Calibrates networks of 10, 50 and 150 equal convolutions, or a float model, on random images.
Compares the time with one eager pass of the same quantized model, layer by layer. The bound is
three passes plus 10 ms for each quantizer. The last columns are the time with biases corrected,
with kernels rounded adaptively and with both, as multiples of the time without; rounding takes
minutes on a large network, so `--with bias` leaves it out.
"""

import argparse
import collections
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np

import keras_alt
from keras_alt.calibration.batches import read_batches
from keras_alt.calibration.values import values_of
from keras_alt.graph import Graph
from keras_alt.quantizer import quantizers

EXTRAS = {
    "bias": {"bias_correction": True},
    "rounding": {"adaptive_rounding": True},
    "both": {"bias_correction": True, "adaptive_rounding": True},
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--target", default="paper")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 50, 150])
    parser.add_argument("--model", help="a .keras file, instead of the networks of convolutions")
    parser.add_argument("--with", dest="extras", nargs="+", choices=EXTRAS, default=list(EXTRAS))
    measuring.add_output(parser)
    options = parser.parse_args()
    measuring.tell_environment()
    print(
        f"{'layers':>7}{'quantizers':>11}{'pass s':>8}{'calibrate s':>12}{'bound s':>8}"
        f"{'of bound':>9}{'ms/layer':>9}" + "".join(f"{name:>9}" for name in options.extras)
    )
    if options.model:
        models = (keras.models.load_model(options.model, compile=False),)
    else:
        models = map(network, options.depths)
    rows = []
    for model in models:
        rows.append(show(model, options))
        measuring.write(options.output, rows, target=options.target, images=options.images)


def show(model, options):
    """Print the row of a float model; return the least seconds of each call."""
    config = keras_alt.QuantizeConfig(target=options.target)
    quantized = keras_alt.quantize_model(model, config)
    shape = (options.images, *model.input_shape[1:])
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    keras_alt.calibrate(quantized, x, verbose=False)
    calls = {"": (keras_alt.calibrate, {}), "pass": (one_pass, {})}
    calls |= {name: (keras_alt.calibrate, EXTRAS[name]) for name in options.extras}
    least = dict.fromkeys(calls, np.inf)
    for _ in range(options.repeats):
        for name, (function, added) in calls.items():
            least[name] = min(least[name], seconds(function, quantized, x, verbose=False, **added))
    walk, one = least[""], least["pass"]
    layers, count = len(model.layers) - 1, len(quantizers(quantized))
    bound = 3 * one + 0.01 * count
    print(
        f"{layers:7}{count:11}{one:8.2f}{walk:12.2f}{bound:8.2f}{walk / bound:9.2f}"
        f"{1e3 * walk / layers:9.1f}" + "".join(f"{least[n] / walk:9.2f}" for n in options.extras),
        flush=True,
    )
    least["calibrate"] = least.pop("")
    return {"layers": layers, "quantizers": count, "bound": bound, **least}


def network(depth):
    inputs = x = keras.Input((32, 32, 16))
    for _ in range(depth):
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, x)


def one_pass(model, x, verbose):
    graph = Graph(model)
    collections.deque(values_of(graph, read_batches(model, x, len(x), 32)), maxlen=0)


def seconds(function, *args, **kwargs):
    started = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
