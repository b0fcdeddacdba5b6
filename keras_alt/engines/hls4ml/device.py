"""Computes a bundle with the C simulation of an hls4ml project; needs g++."""

import ctypes
import glob
import os
import subprocess
import sys

import numpy as np


def version():
    return subprocess.check_output(["g++", "--version"], text=True).splitlines()[0]


def compute(folder, about, inputs):
    """Compile the project, run it sample by sample and return the codes of each output."""
    project = os.path.join(folder, "model", "plain")
    top = ctypes.CDLL(compiled(project)).myproject_double
    outputs = {output["argument"]: output for output in about["outputs"]}
    results = {argument: [] for argument in sorted(outputs)}
    for sample in range(about["samples"]):
        given = [np.ascontiguousarray(values[sample], np.float64) for values in inputs.values()]
        wanted = {a: np.zeros(outputs[a]["shape"]) for a in results}
        arrays = [*given, *wanted.values()]
        top(*(array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in arrays))
        for argument, values in wanted.items():
            results[argument].append(np.ldexp(values, -outputs[argument]["exponent"]))
    return [np.stack(results[output["argument"]]) for output in about["outputs"]]


def compiled(project):
    """Build the library with the project's own script; return its path."""
    built = subprocess.run(
        ["bash", "./build_lib.sh"], cwd=project, capture_output=True, text=True, check=False
    )
    if built.returncode:
        sys.exit("g++ cannot compile the project:\n" + built.stderr[-2000:])
    return glob.glob(os.path.join(project, "firmware", "*.so"))[0]
