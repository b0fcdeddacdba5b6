"""Measure how time, graphs and files grow with depth, width, batch and window.

Example:

    python benchmarks/growth.py --axis depth
    python benchmarks/growth.py --repeat 50

A residual network of convolutions and batch norms is quantized, calibrated, trained for a step,
verified on the integer engine and exported, at four sizes of one axis; `window` routes nets of
`keras_route`. The table has a row for each size, and the last one the exponent of the growth
between the last two sizes: 1 is linear. With `--repeat`, one process quantizes, trains and
verifies that many networks in turn, beside the same loop on float models; the figure is the memory
that each network leaves behind.
"""

import argparse
import cProfile
import gc
import json
import math
import os
import pathlib
import pstats
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers as L

import keras_alt
from keras_alt.calibration import maximum

SIZES = {
    "depth": (25, 50, 100, 200),  # convolutions
    "width": (8, 16, 32, 64),  # channels
    "batch": (8, 16, 32, 64),
    "side": (8, 16, 32, 64),  # of images
    "window": (32, 64, 128, 256),  # pixels of keras_route
}
USUAL = {"depth": 10, "width": 4, "batch": 8, "side": 8}
SKIPPED = 10  # networks before the first look at memory, which fill caches


def main():
    options = parse()
    if options.loop:
        print(json.dumps(loop(options.loop, options.repeat)))
        return
    if options.repeat:
        repeat(options)
        return
    rows = []
    for size in options.sizes or SIZES[options.axis]:
        row = {options.axis: size, **measured(options, size)}
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.output:
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(f"{json.dumps(row)}\n")
    table(options.axis, rows)


def measured(options, size):
    if options.axis == "window":
        return window(size)
    sizes = {**USUAL, options.axis: size}
    profile = cProfile.Profile() if options.profile else None
    figures = network_figures(**sizes, profile=profile)
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return figures


def residual(depth, width, side):
    """Return a network of `depth` convolutions, with a shortcut around every second one."""
    x = inputs = keras.Input((side, side, 3))
    x = block(x, width)
    for _ in range((depth - 1) // 2):
        x = L.Add()([x, block(block(x, width), width)])
    return keras.Model(inputs, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


def block(x, width):
    x = L.Conv2D(width, 3, padding="same", use_bias=False)(x)
    return L.ReLU()(L.BatchNormalization()(x))


def network_figures(depth, width, batch, side, profile=None):
    """Return seconds and counts of one network."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, side, side, 3)).astype("float32")
    y = rng.integers(0, 10, batch)
    figures, clock = {}, Clock(profile)
    model = residual(depth, width, side)
    config = keras_alt.QuantizeConfig(target="litert")
    with clock("clone"):
        keras.models.clone_model(model)
    with clock("quantize"):
        quantized = keras_alt.quantize_model(model, config)
    with clock("calibrate"):
        keras_alt.calibrate(quantized, x, activations=maximum, verbose=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    quantized.compile(keras_alt.optimizers.alt(1e-6, steps=10), loss, jit_compile=False)
    with clock("first step"):
        quantized.train_on_batch(x, y)
    steps = []
    for _ in range(5):
        started = time.perf_counter()
        quantized.train_on_batch(x, y)
        steps.append(time.perf_counter() - started)
    with clock("verify"):
        keras_alt.verify(quantized, x, engine="integer", verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        with clock("to_litert"):
            keras_alt.export.to_litert(quantized, path / "model.tflite")
        with clock("to_c"):
            keras_alt.export.to_c(quantized, path / "c")
        with clock("save"):
            quantized.save(path / "model.keras")
        figures["litert bytes"] = (path / "model.tflite").stat().st_size
        figures["c bytes"] = sum(f.stat().st_size for f in (path / "c").rglob("*.[ch]"))
        figures["keras bytes"] = (path / "model.keras").stat().st_size
    return {
        **{name: round(seconds, 3) for name, seconds in clock.seconds.items()},
        "step": round(float(np.median(steps)), 4),
        "nodes": nodes(quantized, x, y),
        "variables": len(quantized.variables),
        **figures,
    }


class Clock:
    """Seconds of named blocks, profiled if there is a profile."""

    def __init__(self, profile=None):
        self.seconds, self.profile = {}, profile

    def __call__(self, name):
        self.name = name
        return self

    def __enter__(self):
        self.started = time.perf_counter()
        if self.profile is not None:
            self.profile.enable()

    def __exit__(self, *error):
        if self.profile is not None:
            self.profile.disable()
        self.seconds[self.name] = time.perf_counter() - self.started


def nodes(model, x, y):
    """Return the number of nodes in TensorFlow's graph of a training step, functions included."""
    import tensorflow as tf

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        variables = [v.value for v in model.trainable_variables]
        model.optimizer.apply(tape.gradient(loss, variables), model.trainable_variables)

    graph = tf.function(step).get_concrete_function(x, y).graph.as_graph_def()
    return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)


def window(side):
    """Return seconds of the generator and of routing, at a window of `side` pixels."""
    import keras_route

    clock = Clock()
    sizes = {"height": side, "width": side, "window_um": side / 32 * 11.0}
    keras_route.generate(4, **sizes)
    with clock("generate"):
        x, _ = keras_route.generate(64, **sizes)
    return {name: round(seconds, 3) for name, seconds in clock.seconds.items()}


def table(axis, rows):
    """Print the rows, and the exponents of the growth between the last two."""
    names = list(rows[0])
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(str(row[name]) for name in names)} |")
    if len(rows) > 1:
        before, last = rows[-2:]
        growth = math.log(last[axis] / before[axis])
        exponents = [math.log(last[n] / before[n]) / growth for n in names[1:]]
        print(f"| growth | {' | '.join(f'{exponent:.2f}' for exponent in exponents)} |")


def repeat(options):
    """Print what each network of a loop leaves in memory, quantized and float."""
    for kind in ("float", "quantized"):
        command = [sys.executable, __file__, "--loop", kind, "--repeat", str(options.repeat)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        memory = json.loads(told.splitlines()[-1])
        first = min(SKIPPED, len(memory) // 2)
        each = (memory[-1] - memory[first]) / (len(memory) - 1 - first)
        print(f"{kind}: {each:.2f} MB for each network, {memory[-1]:.0f} MB at the end", flush=True)


def loop(kind, count):
    """Make, train and judge networks in turn; return the memory after each in MB."""
    memory = []
    x = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32")
    y = np.arange(8)
    for _ in range(count):
        model = residual(10, 8, 16)
        if kind == "quantized":
            config = keras_alt.QuantizeConfig(target="litert")
            model = keras_alt.quantize_model(model, config)
            keras_alt.calibrate(model, x, activations=maximum, verbose=False)
        optimizer = keras.optimizers.Adam() if kind == "float" else keras_alt.optimizers.alt(1e-6)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, jit_compile=False)
        model.fit(x, y, epochs=2, verbose=0)
        if kind == "quantized":
            keras_alt.verify(model, x, engine="integer", verbose=False)
        else:
            model.predict(x, verbose=0)
        del model, optimizer
        gc.collect()
        memory.append(resident())
    return memory


def resident():
    """Return the memory of this process in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--axis", choices=SIZES, default="depth")
    parser.add_argument("--sizes", type=int, nargs="+", help="of the axis")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--repeat", type=int, default=0, help="networks in one process")
    parser.add_argument("--loop", choices=("float", "quantized"), help=argparse.SUPPRESS)
    parser.add_argument("--output", help="file of JSON lines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
