"""Take the networks of `keras.applications` and ten backbones of keras-hub all the way to a file.

Example:

    pip install keras-hub                                     # for the backbones
    python benchmarks/networks.py --only MobileNetV3Small ViTBackbone --targets litert

Each network is quantized, calibrated, trained by one step, saved, loaded again, exported to LiteRT
and ONNX, and verified on the engine. Weights and batch statistics are random: nothing here is an
accuracy. A row has the operators in integers, the float layers between them (islands), and how many
codes of the integer parts differ. Networks run one after another, each in a process of its own. The
output file keeps finished rows, so that an interrupted run goes on where it stopped.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import backbones
import keras
import numpy as np
from rows import measured, show

import keras_alt
from keras_alt import integer
from keras_alt.calibration import maximum
from keras_alt.graph import deep_recursion
from keras_alt.input_shapes import has_open_sizes

SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
ENGINES = {"litert": "litert", "onnx": "onnxruntime", "paper": "integer"}
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}
COLUMNS = {
    "name": 22,
    "target": 7,
    "M weights": 9,
    "steps": 6,
    "islands": 8,
    "codes": 10,
    "differ": 7,
    "behind": 10,
    "reload": 7,
    "MB": 7,
    "s": 6,
    "island types": 14,
}


def main():
    options = parse()
    row = measured(options.output, __file__, "name", "target")
    show(COLUMNS)
    for name in options.only or [*applications(), *backbones.BACKBONES]:
        for target in options.targets:
            show(COLUMNS, row(name, target))


def applications():
    """Return the names of all network functions of `keras.applications`."""
    return sorted(
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    )


def network(name):
    """Return a network and two samples."""
    if name in backbones.BACKBONES:
        return backbones.BACKBONES[name]()
    size = SMALLEST.get(name, 32)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    return model, np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")


def randomize(model):
    """Draw the statistics of all batch norms."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))


def check(name, target):
    """Run all steps on one network; return its row."""
    started = time.time()
    model, x = network(name)
    randomize(model)
    q = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
    keras_alt.calibrate(q, x, activations=maximum, verbose=False)
    q.compile(keras_alt.optimizers.alt(), "mse", run_eagerly=True)
    q.fit(x, q(x), batch_size=2, verbose=0)
    expected = keras.tree.flatten(q(x))
    with tempfile.TemporaryDirectory() as folder, deep_recursion():
        q.save(f"{folder}/model.keras")
        loaded = keras.models.load_model(f"{folder}/model.keras", compile=False)
        pairs = zip(keras.tree.flatten(loaded(x)), expected, strict=True)
        reloaded = all(np.array_equal(a, b) for a, b in pairs)
        path = f"{folder}/model{SUFFIXES.get(target, '')}"
        export(loaded, target, path, x)
        megabytes = size(path) / 1e6
        result = keras_alt.verify(loaded, x, engine=ENGINES[target], batch_size=2, verbose=False)
    reading = integer.read(loaded)
    kinds = collections.Counter(
        type(layer).__name__
        for island in reading.islands
        for layer in island.model.operations
        if not isinstance(layer, keras.layers.InputLayer)
    )
    return {
        "name": name,
        "target": target,
        "M weights": round(model.count_params() / 1e6, 1),
        "steps": len(reading.program.steps),
        "islands": len(reading.islands),
        "island types": dict(kinds),
        "codes": sum(row.total for row in result.layers),
        "differ": sum(row.mismatches for row in result.layers),
        "behind": f"{sum(row.mismatches for row in result.behind)}",
        "reload": bool(reloaded),
        "MB": round(megabytes, 1),
        "s": round(time.time() - started),
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1),
    }


def export(model, target, path, x):
    """Write the file; a model with open sizes gets those of the samples."""
    shape = None
    if has_open_sizes(model):
        shape = {t.name: x[t.name].shape[1:] for t in model.inputs}
    if target == "litert":
        keras_alt.export.to_litert(model, path, input_shape=shape)
    elif target == "onnx":
        keras_alt.export.to_onnx(model, path, input_shape=shape)
    else:
        keras_alt.export.to_integers(model, path)


def size(path):
    """Return the bytes of a file, or of the files in a folder."""
    path = pathlib.Path(path)
    files = [path] if path.is_file() else path.iterdir()
    return sum(file.stat().st_size for file in files)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks only")
    parser.add_argument("--targets", nargs="+", default=["litert", "onnx"], choices=ENGINES)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("networks.jsonl"))
    parser.add_argument("--check", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        print(json.dumps(check(*options.check)))
        sys.exit()
    return options


if __name__ == "__main__":
    main()
