"""Computes a bundle with TFLM on a computer; needs `tflite-micro`."""

import os
import sys
from importlib import metadata

import numpy as np


def _runtime():
    try:
        from tflite_micro import runtime
    except ImportError:
        sys.exit("This needs TFLM: `pip install tflite-micro`.")
    return runtime


def version():
    _runtime()
    return f"tflite-micro {metadata.version('tflite-micro')}"


def compute(folder, about, inputs):
    """Run sample by sample and return the codes of each output; `inputs` has arrays by name."""
    runtime = _runtime()
    path = os.path.join(folder, "model", "model.tflite")
    interpreter = runtime.Interpreter.from_file(
        path,
        arena_size=about["outputs"][0]["arena"],
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    results = [[] for _ in about["outputs"]]
    for sample in range(about["samples"]):
        for index, name in enumerate(about["inputs"]):
            interpreter.set_input(inputs[name][sample : sample + 1], index)
        interpreter.invoke()
        for codes, output in zip(results, about["outputs"]):  # noqa: B905
            stored = interpreter.GetTensor(output["tensor"], 0)["tensor_data"]
            codes.append(stored.astype(np.int64) - output["zero_point"])
    return [np.concatenate(codes) for codes in results]
