"""Count the codes that differ when engines run one file, before and after `keras_alt.settle`.

    python benchmarks/robust.py --data DIR --networks resnet8 mobilenet_v2 --samples 32
    python benchmarks/robust.py --data DIR --networks resnet8 --accuracy 1000

`DIR` is that of `real_networks.py`. Networks are calibrated on 64 inputs for
target "litert", not trained; MobileNetV2 is equalized first. Those inputs are training images,
all that is counted is of test images. One `.tflite` runs on XNNPACK, on
LiteRT's reference kernels and on TFLM. The ONNX file is that of the same model for target "onnx".
Codes are compared at every quantizer that an engine shows, and at the outputs, with those of the
integer engine. `7 bits, settled` has kernels rounded adaptively to 7 bits before.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from real_networks import CALIBRATION, NETWORKS, add_arguments

import keras_alt
from keras_alt.engines import ENGINES
from keras_alt.integer import quantize_inputs, read, trace

FILES = ("litert", "litert-reference", "tflm", "onnxruntime")
BATCH = 8


def main():
    options = arguments()
    for name in options.networks:
        file, inputs = NETWORKS[name]
        model = keras.models.load_model(options.data / file, compile=False)
        x = inputs(options.data, max(options.samples, options.accuracy))
        training = inputs(options.data, CALIBRATION, "train")
        if name == "mobilenet_v2":
            model = keras_alt.equalize(model, training)
        for stage, quantized in stages(model, training, options.scales):
            print(f"\n{name}, {stage}", flush=True)
            if options.accuracy:
                accuracy(quantized, x[: options.accuracy], options.data)
            if options.samples:
                print_robust(keras_alt.robust(quantized, x[: options.samples], BATCH))
                matrix(quantized, x[: options.samples])


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, ("resnet8", "mobilenet_v2"), samples=32)
    parser.add_argument("--scales", choices=("tensor", "channel"), default="tensor")
    parser.add_argument("--accuracy", type=int, default=0, metavar="IMAGES")
    return parser.parse_args()


def stages(model, x, scales):
    """Yield a name and a quantized model: as calibrated, settled, and settled by way of 7 bits."""
    config = keras_alt.QuantizeConfig(target="litert", weight_scales=scales)
    quantized = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(quantized, x, bias_correction=True, verbose=False)
    yield "before", quantized
    yield "settled", keras_alt.settle(quantized, x)
    narrow = keras_alt.retarget(quantized, weights=7, first_and_last_weights=7)
    kept = keras_alt.quantizers(narrow).values()
    rules = {"bias_correction": True, "adaptive_rounding": True, "verbose": False}
    keras_alt.calibrate(narrow, x, keep=kept, **rules)
    yield "7 bits, settled", keras_alt.settle(narrow, x)


def accuracy(quantized, x, data):
    with np.load(data / "cifar10_lossless.npz") as file:
        labels = file["y_test"].ravel()[: len(x)]
    right = quantized.predict(x, verbose=0).argmax(axis=-1) == labels
    print(f"accuracy {right.mean():.3f} on {len(x)} images", flush=True)


def print_robust(result):
    """Print the sums of a table of `keras_alt.robust` by kind."""
    print("| rounds | quantizers | sums | ties | codes that differ | possible |")
    print("|---|---|---|---|---|---|")
    for kind in dict.fromkeys(row.kind for row in result.rows):
        rows = [row for row in result.rows if row.kind == kind]
        sums, ties, differing = (
            sum(getattr(row, name) for row in rows) for name in ("sums", "ties", "differing")
        )
        shares = f"{ties / sums:.3%} | {differing / sums:.3%}"
        print(f"| {kind} | {len(rows)} | {sums} | {shares} | {sum(r.possible for r in rows)} |")


def matrix(quantized, x):
    print("| engine | codes that differ | outputs that differ |", flush=True)
    print("|---|---|---|")
    wanted, ends = expected(quantized, x)
    for name in FILES:
        model = quantized
        if name == "onnxruntime":
            model = keras_alt.retarget(quantized, "onnx")
        counts = compared(name, model, x, wanted, ends)
        print(f"| {name} | {counts[0]} of {counts[1]} | {counts[2]} of {counts[3]} |", flush=True)


def expected(model, x):
    """Return the codes of the integer engine by the key of the tensor, and keys of outputs."""
    reading, parts = read(model), []
    keys = keys_of(reading)
    for start in range(0, len(x), BATCH):
        codes = quantize_inputs(reading, x[start : start + BATCH])
        parts.append(trace(reading.program, codes, keep=keys))
    codes = {key: np.concatenate([part[p] for part in parts]) for p, key in keys.items()}
    return codes, [keys[p] for p in reading.program.outputs]


def keys_of(reading):
    """Return a key for the position of each quantizer call: its name, and which call it is."""
    keys, calls = {}, {}
    for position in sorted(set(reading.taps.values())):
        name = reading.program.tensors[position].name
        calls[name] = calls.get(name, 0) + 1
        keys[position] = (name, calls[name])
    return keys


def compared(engine, model, x, wanted, ends):
    """Return how many codes differ, of how many, everywhere and at the outputs."""
    reading = read(model)
    keys, counts = keys_of(reading), np.zeros(4, np.int64)
    with tempfile.TemporaryDirectory() as folder:
        session = ENGINES[engine](reading, folder)
        for start in range(0, len(x), BATCH):
            part = slice(start, start + BATCH)
            shown = session.compute([x[part]], quantize_inputs(reading, x[part]))
            for position in keys.keys() & shown.keys():
                key, codes = keys[position], shown[position]
                differ = np.sum(codes != wanted[key][part])
                is_end = key in ends
                counts += (differ, codes.size, differ * is_end, codes.size * is_end)
    return counts


if __name__ == "__main__":
    main()
