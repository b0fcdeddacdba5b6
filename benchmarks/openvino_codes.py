"""Count the output codes that OpenVINO computes otherwise than the integer engine, by format.

    pip install openvino
    python benchmarks/openvino_codes.py --data DIR --networks resnet8 kws --samples 64

`DIR` and `NETWORKS` are those of `c.py`. Networks are calibrated, not trained, and their softmax is
left out. `precision` is OpenVINO's property `INFERENCE_PRECISION_HINT`, by default bfloat16 on
processors that have it.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import openvino
from c import NETWORKS

import keras_alt
from keras_alt.integer import quantize_inputs, read, trace

FORMATS = {"onnx": "onnx", "litert": "tflite", "tflm": "tflite"}


def main():
    options = arguments()
    print("| network | target | file | precision | samples | output codes that differ | by |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        file, inputs = NETWORKS[name]
        model = keras.models.load_model(options.data / file, compile=False)
        model.layers[-1].activation = keras.activations.linear
        x = inputs(options.data, max(options.samples, 64))
        for target, ending in FORMATS.items():
            quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
            keras_alt.calibrate(quantized, x[:64], verbose=False)
            for precision in ("default", "f32"):
                differing, total, most = compared(
                    quantized, x[: options.samples], ending, precision
                )
                head = f"{name} | `{target}` | .{ending} | {precision} | {options.samples}"
                print(f"| {head} | {differing} of {total} | {most} |", flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["resnet8", "kws"])
    parser.add_argument("--samples", type=int, default=64)
    return parser.parse_args()


def compared(model, x, ending, precision):
    """Return how many output codes differ, of how many, and by how much at most."""
    reading = read(model)
    (codes,) = quantize_inputs(reading, x)
    (output,) = reading.program.outputs
    expected = trace(reading.program, [codes], keep=[output])[output]
    write = keras_alt.export.to_onnx if ending == "onnx" else keras_alt.export.to_litert
    core, properties = openvino.Core(), {"INFERENCE_PRECISION_HINT": precision}
    with tempfile.TemporaryDirectory() as folder:
        file = core.read_model(write(model, f"{folder}/net.{ending}"))
        compiled = core.compile_model(file, "CPU", {} if precision == "default" else properties)
    found = compiled([x if ending == "onnx" else codes.astype(np.int8)])[0]
    if ending == "onnx":  # plain values; the others are codes
        found = found / 2.0 ** reading.program.tensors[output].exponent
    difference = np.abs(found.astype(float) - expected)
    return np.count_nonzero(difference), difference.size, int(np.ceil(difference.max()))


if __name__ == "__main__":
    main()
