"""Count the output codes that OpenVINO computes otherwise than the integer engine, by format.

    pip install openvino
    python benchmarks/openvino_codes.py --data DIR --networks resnet8 kws --samples 64

`DIR` is that of `real_networks.py`. Networks are calibrated, not trained, and their softmax is
left out. `precision` is OpenVINO's property `INFERENCE_PRECISION_HINT`, by default bfloat16 on
processors that have it.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import openvino
from real_networks import add_arguments, calibrated

import keras_alt
from keras_alt.integer import quantize_inputs, read, trace

FORMATS = {"onnx": "onnx", "litert": "tflite", "tflm": "tflite"}


def main():
    options = arguments()
    print("| network | target | file | precision | samples | output codes that differ | by |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        for target, ending in FORMATS.items():
            _, quantized, x = calibrated(name, target, options.data, options.samples, "linear")
            for precision in ("default", "f32"):
                differing, total, most = compared(quantized, x, ending, precision)
                head = f"{name} | `{target}` | .{ending} | {precision} | {options.samples}"
                print(f"| {head} | {differing} of {total} | {most} |", flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, ("resnet8", "kws"), samples=64)
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
