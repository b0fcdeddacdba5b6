"""Compare the training step of quantized networks with float ones in one process.

Examples:

    python benchmarks/train_step.py --output mobilenet.json
    KERAS_BACKEND=torch python benchmarks/train_step.py --network resnet20 --batch-size 1 32 128
    python benchmarks/train_step.py --variants float folded litert --jit off --brief

Prints the milliseconds of a training step, with the steps of all variants by turns: median, least
and most, and ratios of medians of this run. "core ms" is the median time of all cores together,
which a load beside it changes little. Also prints the seconds to the first step, and those of a
step at an unseen batch size. The peak memory is that of a process for each variant and batch size.
A variant that cannot be built is a row with the reason.

"folded" is the float network with its batch norms folded: what ALT trains, without quantizers.
"channel" is `litert` with a scale for each channel of a kernel. "tfmot" is
tensorflow-model-optimization on tf_keras. "default" lets Keras decide whether it compiles by XLA.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np
from step_networks import NETWORKS

import keras_alt
from keras_alt.calibration import maximum
from keras_alt.transforms import fold_batch_norm, inline

CONFIGURATIONS = {
    "litert": {"target": "litert"},
    "paper": {"target": "paper"},
    "tflm": {"target": "tflm"},
    "channel": {"target": "litert", "weight_scales": "channel"},
}
VARIANTS = ("float", "folded", *CONFIGURATIONS, "tfmot")
OTHERS = ("float", "folded", "tfmot")  # that variants are compared with


def main():
    options = parse()
    if options.only:
        print(json.dumps(memory_of(options.only, options.batch_size[0], options)))
        return
    measuring.tell_environment()
    rows = []
    for size in options.batch_size:
        of_size = measured(size, options)
        show(size, of_size, options)
        rows += [{"batch": size, "variant": name, **row} for name, row in of_size.items()]
        settings = {"network": options.network, "model": options.model, "jit": options.jit}
        measuring.write(options.output, rows, **settings)


def measured(size, options):
    """Return `{variant: row}` at a batch size."""
    rows, steps, unseen = {}, {}, {}
    for name in options.variants:
        rows[name] = {} if options.brief else in_a_process(name, size)
        try:
            measuring.progress(f"{name}, first step at batch {size}")
            step, shape = trainer(name, options)
            steps[name] = functools.partial(step, *batch(shape, size))
            rows[name]["first_s"] = measuring.seconds(steps[name])
            unseen[name] = functools.partial(step, *batch(shape, max(1, size - 3)))
        except (ImportError, NotImplementedError, RuntimeError, ValueError) as error:
            rows[name]["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            steps.pop(name, None)
    measuring.progress(f"{options.steps} steps of each at batch {size}")
    clocks = measuring.both_clocks
    for name, times in measuring.interleaved(steps, options.steps, 2, clocks).items():
        wall, cores = np.transpose(times).tolist()
        rows[name] |= measuring.statistics(wall) | {"seconds": wall, "core_seconds": cores}
        rows[name]["core_ms"] = 1e3 * float(np.median(cores))
    for name in steps:
        rows[name] |= {f"x_{other}": measuring.ratio(rows, name, other) for other in OTHERS}
        peaks = [rows.get(each, {}).get("peak_mb") for each in (name, "float")]
        rows[name]["peak_x_float"] = None if None in peaks else peaks[0] / peaks[1]
        if not options.brief:
            measuring.progress(f"{name}, an unseen batch size")
            rows[name]["unseen_s"] = measuring.seconds(unseen[name])
    return rows


COLUMNS = {
    "ms": ("median_ms", "9.1f"),
    "min": ("min_ms", "9.1f"),
    "max": ("max_ms", "9.1f"),
    **{f"x {other}": (f"x_{other}", "9.2f") for other in OTHERS},
    "core ms": ("core_ms", "9.1f"),
    "first s": ("first_s", "9.1f"),
    "unseen s": ("unseen_s", "9.2f"),
    "peak MB": ("peak_mb", "9.0f"),
    "x  float": ("peak_x_float", "9.2f"),
}


def show(size, rows, options):
    jit = "compiled as Keras decides" if options.jit == "default" else "jit_compile=False"
    print(f"\n{options.model or options.network}, batch of {size}, {jit}")
    print(f"{'':8}" + "".join(f"{title:>9}" for title in COLUMNS))
    for name, row in rows.items():
        cells = [
            f"{'-':>9}" if row.get(key) is None else f"{row[key]:{form}}"
            for key, form in COLUMNS.values()
        ]
        print(f"{name:8}{''.join(cells)}  {row.get('error', '')}", flush=True)


def trainer(name, options):
    """Return a function that makes one training step on (x, y), and the shape of an image."""
    if name == "tfmot":
        return tfmot_trainer(options)
    model = network(options)
    shape = model.input_shape[1:]
    if name == "folded":
        model = fold_batch_norm(inline(model))
    elif name in CONFIGURATIONS:
        config = keras_alt.QuantizeConfig(**CONFIGURATIONS[name])
        model = keras_alt.quantize_model(model, config)
        # One sample at a time, so that calibration does not set the peak memory.
        x = batch(shape, 8)[0]
        keras_alt.calibrate(model, x, activations=maximum, batch_size=1, verbose=False)
    quantized = name in CONFIGURATIONS
    optimizer = keras_alt.optimizers.alt(1e-6) if quantized else keras.optimizers.Adam(1e-6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile="auto" if options.jit == "default" else False)
    return model.train_on_batch, shape


def network(options):
    if options.model:
        return keras.models.load_model(options.model, compile=False)
    return NETWORKS[options.network](keras)


def tfmot_trainer(options):
    """Return the step of tensorflow-model-optimization's quantization-aware training."""
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError("tensorflow-model-optimization runs on TensorFlow.")
    if options.model:
        raise NotImplementedError("A file of Keras 3 has no tf_keras twin here.")
    from keras_alt.tfmot.packages import imported  # imported here, because its memory counts

    tfmot, tf_keras = imported()
    float_model = NETWORKS[options.network](tf_keras)
    model = tfmot.quantization.keras.quantize_model(float_model)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled = {} if options.jit == "default" else {"jit_compile": False}
    model.compile(tf_keras.optimizers.Adam(1e-6), loss, **compiled)
    return model.train_on_batch, float_model.input_shape[1:]


def batch(shape, size):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (size, *shape)).astype("float32")
    return x, rng.integers(0, 10, size).astype("int32")


def in_a_process(name, size):
    measuring.progress(f"{name}, peak memory at batch {size}")
    command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--batch-size", str(size)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return {} if run.returncode else json.loads(run.stdout.splitlines()[-1])


def memory_of(name, size, options):
    """Return the peak memory of this process before the first step, and after five."""
    step, shape = trainer(name, options)
    x, y = batch(shape, size)
    before = peak()
    for _ in range(5):
        step(x, y)
    return {"peak_mb": peak(), "peak_before_mb": before}


def peak():
    """Return the most MB of this process; `ru_maxrss` counts what its parent had, too."""
    told = pathlib.Path("/proc/self/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0]) / 1024


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=NETWORKS, default="mobilenet_v2")
    parser.add_argument("--model", help="Keras model file to measure instead of random weights")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--jit", choices=("default", "off"), default="default")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--brief", action="store_true", help="no memory, no unseen batch size")
    parser.add_argument("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    measuring.add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
