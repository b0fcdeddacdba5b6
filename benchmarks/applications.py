"""Quantize, calibrate, train, save and load every image network of `keras.applications`.

Example:

    python benchmarks/applications.py --only MobileNetV2 DenseNet121

Prints a row for each network: seconds of `quantize_model`, relative change by folding, quantizers,
float layers, and whether the reloaded model is bit-identical. The change by folding is measured in
float64: batch norm statistics are random, and float32 rounding errors would dominate in the deepest
networks. Networks run one after another in separate processes. The output file keeps finished rows.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.calibration import maximum
from keras_alt.graph import Graph, deep_recursion
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import has_kernel, shares_grid
from keras_alt.quantizer import Quantizer
from keras_alt.transforms import canonical

SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
COLUMNS = ("name", "million weights", "quantize s", "folding", "quantizers", "float", "reload")


def main():
    options = parse()
    names = options.only or networks()
    done = read(options.output)
    print("  ".join(COLUMNS))
    for name in names:
        if name not in done:
            done[name] = in_a_process(name)
            with options.output.open("a") as file:
                file.write(json.dumps(done[name]) + "\n")
        row = done[name]
        print("  ".join(str(row.get(column, row.get("error"))) for column in COLUMNS), flush=True)


def networks():
    """Return the names of all network functions."""
    return sorted(
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    )


def check(name):
    """Run all steps on one network; return its row."""
    with dtype_policy("float64"):
        folding = change_by_folding(*network(name))
    model, x = network(name)
    started = time.time()
    quantized = keras_alt.quantize_model(model)
    elapsed = time.time() - started
    missing = without_quantizer(quantized)
    if missing:
        raise ValueError(f"Layers without a quantizer: {missing}")
    keras_alt.calibrate(quantized, x, activations=maximum, verbose=False)
    quantized.compile(keras_alt.optimizers.alt(), "categorical_crossentropy", run_eagerly=True)
    quantized.fit(x, np.eye(quantized.output_shape[-1])[:2], batch_size=2, verbose=0)
    # Keras follows the graph recursively when it loads a model.
    with tempfile.TemporaryDirectory() as folder, deep_recursion():
        quantized.save(f"{folder}/model.keras")
        again = keras.models.load_model(f"{folder}/model.keras", compile=False)
    report = keras_alt.report(quantized)
    return {
        "name": name,
        "million weights": round(quantized.count_params() / 1e6, 1),
        "quantize s": round(elapsed, 1),
        "folding": float(f"{folding:.1e}"),
        "quantizers": len(report.quantizers),
        "float": len(report.floats),
        "reload": bool(np.array_equal(quantized(x), again(x))),
    }


@contextlib.contextmanager
def dtype_policy(dtype):
    """Use another float type for layers created inside the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def network(name):
    """Return a network and two images."""
    size = SMALLEST.get(name, 32)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    randomize(model)
    x = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3))
    return model, x.astype(keras.config.dtype_policy().compute_dtype)


def randomize(model):
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))


def change_by_folding(model, x):
    """Return the change by the canonical form, relative to the largest output."""
    folded = canonical(model, keras_alt.QuantizeConfig())
    a, b = (keras.ops.convert_to_numpy(each(x, training=False)) for each in (model, folded))
    return np.abs(a - b).max() / np.abs(a).max()


def without_quantizer(model):
    """Return the kernels and merges without a quantizer."""
    graph = Graph(model)
    kernels = [
        call.layer.name
        for call in graph.calls
        if has_kernel(call.layer)
        or (isinstance(call.layer, QuantizedKernel) and call.layer.kernel_quantizer is None)
    ]
    merges = [
        call.layer.name
        for call in graph.calls
        if shares_grid(call)
        and not any(isinstance(c.layer, Quantizer) for c in ancestors(graph, call))
    ]
    return kernels + merges


def ancestors(graph, call):
    return [graph.producer[t] for t in call.inputs if t in graph.producer]


def in_a_process(name):
    command = [sys.executable, __file__, "--check", name]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        return {"name": name, "error": run.stderr.strip().splitlines()[-1]}
    return json.loads(run.stdout.splitlines()[-1])


def read(path):
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {row["name"]: row for row in rows if "error" not in row}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks only")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("applications.jsonl"))
    parser.add_argument("--check", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        print(json.dumps(check(options.check)))
        sys.exit()
    return options


if __name__ == "__main__":
    main()
