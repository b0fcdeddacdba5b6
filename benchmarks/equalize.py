"""Equalize every network of `keras.applications` and compare its outputs with the float model's.

Example:

    python benchmarks/equalize.py --only MobileNetV2 ResNet50
    KERAS_BACKEND=jax python benchmarks/equalize.py

Weights and batch statistics are random. The logits on two samples are compared; a difference is
max |a - b| / max |b| over all of them. Powers of two round nothing, so the equalized model should
equal the model with folded batch norms bit for bit. Folding itself rounds; on TensorFlow, the same
network in float64 tells by how much each float32 model is off. Networks run one after another, each
in a process of its own. The output file keeps finished rows, so that an interrupted run goes on
where it stopped.
"""

import argparse
import json
import os
import pathlib
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from networks import applications, network, randomize
from rows import measured, show

import keras_alt
from keras_alt.graph import functional
from keras_alt.transforms import folded

COLUMNS = {
    "name": 18,
    "backend": 12,
    "kernels": 9,
    "scaled": 8,
    "to folded": 11,
    "to original": 13,
    "exact: original": 17,
    "exact: folded": 15,
    "exact: equalized": 18,
    "s": 7,
    "peak GB": 9,
}


def main():
    options = parse()
    row = measured(options.output, __file__, "name", "backend")
    show(COLUMNS)
    for name in options.only or applications():
        show(COLUMNS, row(name, keras.backend.backend()))


def check(name):
    """Equalize one network; return its row."""
    model, x = with_logits(name)
    randomize(model)
    reference = folded(functional(model))
    started = time.perf_counter()
    equalized = keras_alt.equalize(model, x, verbose=False)
    seconds = time.perf_counter() - started
    before, after = kernels(reference), kernels(equalized)
    outputs = {
        "original": logits(model, x),
        "folded": logits(reference, x),
        "equalized": logits(equalized, x),
    }
    row = {
        "name": name,
        "backend": keras.backend.backend(),
        "kernels": len(before),
        "scaled": sum(not np.array_equal(before[key], after[key]) for key in before),
        "to folded": difference(outputs["equalized"], outputs["folded"]),
        "to original": difference(outputs["equalized"], outputs["original"]),
    }
    if keras.backend.backend() == "tensorflow":
        weights = model.get_weights()
        del model, reference, equalized, before, after  # the largest network needs the memory
        exact = in_float64(name, weights, x)
        row |= {f"exact: {key}": difference(y, exact) for key, y in outputs.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return row | {"s": round(seconds, 1), "peak GB": round(peak, 1)}


def with_logits(name):
    """Return a network without its softmax, which would hide differences, and two samples."""
    model, x = network(name)
    model.layers[-1].activation = keras.activations.linear
    return model, x


def logits(model, x):
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)), np.float64)


def in_float64(name, weights, x):
    """Return the logits that the network has in float64."""
    keras.config.set_dtype_policy("float64")
    model, _ = with_logits(name)
    model.set_weights(weights)
    return logits(model, x.astype("float64"))


def kernels(model):
    """Return `{layer name: kernel}`."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return {layer.name: keras.ops.convert_to_numpy(layer.kernel) for layer in layers}


def difference(values, expected):
    return float(f"{np.abs(values - expected).max() / np.abs(expected).max():.1e}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks only")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("equalize.jsonl"))
    parser.add_argument("--check", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        print(json.dumps(check(options.check[0])))
        sys.exit()
    return options


if __name__ == "__main__":
    main()
