"""Compare the quantizer with the cheapest pass over the same memory, on the backend of Keras.

Example:

    KERAS_BACKEND=torch python benchmarks/fake_quant.py --output fake_quant.json

Forward reads a tensor and writes one, as the addition of a number does. Backward reads two and
writes one, as the addition of two tensors does. All are compiled where the backend compiles, and
take turns in one process. Then all weight quantizers of a MobileNetV2 0.35 at 96x96, forward and
backward, are compared with one training step. A step holds their kernels already; what it takes
just to pass them into a graph and out of it is subtracted. Times are medians, with the least and
the largest.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

import keras_alt
from keras_alt import FixedPoint
from keras_alt.calibration import maximum
from keras_alt.numerics.function import QuantizedSum, fake_quant, fake_quant_sum

PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
RELU6 = FixedPoint(8, signed=False), "half_even", 6.0
SIGNED = FixedPoint(8), "half_up", None
SUM = FixedPoint(16), "half_even", None
CHANNELS = 48


def main():
    options = parse()
    rows = [row for size in options.sizes for row in passes(size, options)]
    if options.steps:
        rows += weights(options)
    result = {"machine": machine(), "rows": rows}
    print(" · ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"{'':44}{'ms':>9}{'least':>9}{'most':>9}{'ratio':>8}")
    for row in rows:
        times = "".join(f"{row[name]:9.3f}" for name in ("median", "least", "most"))
        print(f"{row['name']:44}{times}{row['ratio']:8.3f}")
    if options.output:
        with open(options.output, "w") as file:
            json.dump(result, file, indent=1)


def passes(size, options):
    """Return rows of the quantizer's passes and of the cheapest ones over `size` numbers."""
    rng = np.random.default_rng(0)
    shape = size // CHANNELS, CHANNELS
    x, upstream = (ops.convert_to_tensor(rng.normal(0, 2, shape).astype("float32")) for _ in "xu")
    bias = ops.convert_to_tensor(rng.normal(size=CHANNELS).astype("float32"))
    t = ops.convert_to_tensor(np.float32(1.7))
    quantizers = {
        "after ReLU6": (lambda x, t: quantized(x, t, RELU6), (x, t)),
        "after an addition": (lambda x, t: quantized(x, t, SIGNED), (x, t)),
        "after a bias and ReLU6": (lambda x, t, b: of_sum(x, b, t, ()), (x, t, bias)),
        "after a 16-bit sum, bias, ReLU6": (
            lambda x, t, b, a: of_sum(x, b, t, ((a, SUM),)),
            (x, t, bias, ops.convert_to_tensor(np.float32(4.0))),
        ),
    }
    cheapest = {
        "forward": compiled(lambda x: x + 1.0, (x,)),
        "backward": compiled(lambda x, upstream: x + upstream, (x, upstream)),
    }
    calls = {f"{way}: addition": call for way, call in cheapest.items()}
    for name, (function, arguments) in quantizers.items():
        calls[f"forward: {name}"] = compiled(function, arguments)
        calls[f"backward: {name}"] = compiled(pulled_back(function), (*arguments, upstream))
    times = in_turns(calls, options.rounds)
    return [
        row(f"{size} {name}", times[name], times[f"{name.partition(':')[0]}: addition"])
        for name in calls
    ]


def quantized(x, t, rules):
    format, rounding, relu_max = rules
    return fake_quant(x, t, format, rounding=rounding, relu_max=relu_max, training=True)


def of_sum(x, bias, t, accumulators):
    """Return the quantized sum as a layer computes it: in one pass if the backend fuses it."""
    from keras_alt.numerics.backend import numerics

    if hasattr(numerics, "fake_quant_sum"):
        return fake_quant_sum(QuantizedSum(x, bias, accumulators), t, RELU6)
    for log2_threshold, rules in accumulators:
        x = quantized(x, log2_threshold, rules)
    return quantized(x + bias, t, RELU6)


def weights(options):
    """Return rows of a training step and of the weight quantizers in it."""
    model = keras.applications.MobileNetV2(
        (96, 96, 3), 0.35, weights=None, classes=10, classifier_activation=None
    )
    model = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=options.target))
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (options.batch_size, 96, 96, 3)).astype("float32")
    y = rng.integers(0, 10, options.batch_size)
    keras_alt.calibrate(model, x[:2], activations=maximum, batch_size=1, verbose=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras_alt.optimizers.alt(1e-6), loss)

    pairs = [pair for layer in model.layers for pair in getattr(layer, "constants", list)()]
    formats = [quantizer.format for quantizer, _ in pairs]
    # Copies, because a step updates its variables in place.
    tensors = [ops.convert_to_tensor(ops.convert_to_numpy(kernel)) for _, kernel in pairs]
    tensors += [ops.convert_to_tensor(ops.convert_to_numpy(q.log2_threshold)) for q, _ in pairs]

    def quantize(*tensors):
        kernels, thresholds = tensors[: len(pairs)], tensors[len(pairs) :]
        each = zip(kernels, thresholds, formats, strict=True)
        return [fake_quant(kernel, t, format) for kernel, t, format in each]

    def passed(*tensors):
        return [0.0 + kernel for kernel in tensors[: len(pairs)]]

    step, all_kernels, passing = (
        "a training step",
        f"its {len(pairs)} weight quantizers",
        "kernels passed",
    )
    given = tensors, tensors[: len(pairs)]
    calls = {
        step: lambda: model.train_on_batch(x, y),
        all_kernels: compiled(with_gradients(quantize), given),
        passing: compiled(with_gradients(passed), given),
    }
    times = in_turns(calls, options.steps)
    times[all_kernels] = np.array(times[all_kernels]) - np.median(times.pop(passing))
    return [row(name, each, times[step]) for name, each in times.items()]


def compiled(function, arguments):
    """Return a function that computes `function(*arguments)` and waits for the result."""
    backend = keras.backend.backend()
    if backend == "torch":
        return lambda: function(*arguments)
    if backend == "jax":
        import jax

        function = jax.jit(function)
        return lambda: jax.block_until_ready(function(*arguments))
    import tensorflow as tf

    graph = tf.function(function, autograph=False)
    return lambda: graph(*arguments)


def pulled_back(function):
    """Return the function `(*arguments, upstream)` that gives the gradients of the arguments.

    A graph leaves out what only the forward pass needs. torch has none, so forward runs once.
    """
    if keras.backend.backend() != "torch":
        gradients = with_gradients(lambda *arguments: [function(*arguments)])
        return lambda *given: gradients(given[:-1], given[-1:])[1]
    import torch

    kept = []

    def run(*given):
        if not kept:
            arguments = [argument.detach().requires_grad_() for argument in given[:-1]]
            kept.extend((function(*arguments), arguments))
        return torch.autograd.grad(*kept, given[-1], retain_graph=True)

    return run


def with_gradients(function):
    """Return the function `(arguments, upstreams)` that gives the results and the gradients."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def run(arguments, upstreams):
            results, pull_back = jax.vjp(function, *arguments)
            return results, pull_back(list(upstreams))

    elif backend == "torch":
        import torch

        def run(arguments, upstreams):
            arguments = [argument.detach().requires_grad_() for argument in arguments]
            results = function(*arguments)
            return results, torch.autograd.grad(results, arguments, upstreams, allow_unused=True)

    else:
        import tensorflow as tf

        def run(arguments, upstreams):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                results = function(*arguments)
            return results, tape.gradient(results, arguments, list(upstreams))

    return run


def in_turns(calls, rounds):
    """Return milliseconds of each call; all take turns, and the first two rounds do not count."""
    times = {name: [] for name in calls}
    for _ in range(rounds + 2):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - started))
    return {name: values[2:] for name, values in times.items()}


def row(name, times, reference):
    return {
        "name": name,
        "median": float(np.median(times)),
        "least": min(times),
        "most": max(times),
        "ratio": float(np.median(times) / np.median(reference)),
    }


def machine():
    backend = keras.backend.backend()
    versions = {name: importlib.metadata.version(name) for name in ("keras", PACKAGES[backend])}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"backend": backend, **versions, "cores": cores, "processor": platform.processor()}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[3538944, 200736])
    parser.add_argument("--rounds", type=int, default=50, help="how often each pass is measured")
    parser.add_argument("--steps", type=int, default=10, help="training steps; 0 leaves them out")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--target", default="litert")
    parser.add_argument("--output", help="JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
