"""Computes a bundle with LiteRT; needs `ai-edge-litert` or `tflite-runtime`."""

import os
import sys
from importlib import metadata

import numpy as np

PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}


def _package():
    for package, module in PACKAGES.items():
        try:
            __import__(module + ".interpreter")
        except ImportError:
            continue
        return package, sys.modules[module + ".interpreter"]
    sys.exit("This needs LiteRT: `pip install ai-edge-litert` (or `tflite-runtime`).")


def version():
    package, _ = _package()
    return f"{package} {metadata.version(package)}"


def compute(folder, about, inputs):
    """Run sample by sample and return the codes of each output; `inputs` has arrays by name."""
    _, litert = _package()
    path = os.path.join(folder, "model", "model.tflite")
    options = {}
    if about["engine"] == "litert-reference":
        options["experimental_op_resolver_type"] = litert.OpResolverType.BUILTIN_REF
    plain = litert.Interpreter(path, **options)
    wanted = [output["tensor"] for output in about["outputs"]]
    given = {detail["name"] for detail in plain.get_output_details()}
    interpreters = [plain]
    if not given.issuperset(wanted):  # float layers follow, so read an inner tensor
        options["experimental_preserve_all_tensors"] = True
        interpreters.append(litert.Interpreter(path, **options))
    for interpreter in interpreters:
        interpreter.allocate_tensors()
    index = {detail["name"]: detail["index"] for detail in interpreters[-1].get_tensor_details()}
    results = [[] for _ in wanted]
    for sample in range(about["samples"]):
        _run(interpreters, inputs, sample)
        for codes, output in zip(results, about["outputs"]):  # noqa: B905
            stored = interpreters[-1].get_tensor(index[output["tensor"]])
            codes.append(stored.astype(np.int64) - output["zero_point"])
    return [np.concatenate(codes) for codes in results]


def _run(interpreters, inputs, sample):
    """Compute one sample; exit if keeping inner tensors changes the outputs."""
    outputs = []
    for interpreter in interpreters:
        for detail in interpreter.get_input_details():
            values = inputs[detail["name"]][sample : sample + 1]
            interpreter.set_tensor(detail["index"], values)
        interpreter.invoke()
        details = interpreter.get_output_details()
        outputs.append([interpreter.get_tensor(detail["index"]) for detail in details])
    for one, other in zip(outputs[0], outputs[-1]):  # noqa: B905
        if not np.array_equal(one, other):
            sys.exit("LiteRT computes other outputs here when its inner tensors are kept.")
