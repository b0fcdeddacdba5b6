"""Compiles a bundle and computes it; needs a C compiler ($CC, cc, gcc or clang) and NumPy."""

import os
import shutil
import subprocess
import tempfile

import numpy as np


def compiler():
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    return next((name for name in names if shutil.which(name)), names[0])


def version():
    said = subprocess.run([compiler(), "--version"], stdout=subprocess.PIPE, check=True).stdout
    return said.decode().splitlines()[0]


def compute(folder, about, inputs):
    """Return the codes of each output; `inputs` has the input codes by name."""
    arrays = [inputs[name] for name in about["inputs"]]
    source = os.path.join(folder, "model", "c", "harness.c")
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, "model")
        # Compilers look for assembler and linker on the path.
        path = {"PATH": os.defpath, **os.environ}
        command = [compiler(), "-std=c99", "-O2", source, "-o", program]
        subprocess.run(command, env=path, check=True)
        rows = run(program, arrays)
    return [tensor(rows, entry) for entry in about["outputs"]]


def run(program, arrays):
    """Return the bytes that the program writes of each sample."""
    count = len(arrays[0])
    flat = [np.ascontiguousarray(a).reshape(count, -1).view(np.uint8) for a in arrays]
    fed = np.concatenate(flat, axis=1).tobytes()
    done = subprocess.run([program], input=fed, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(count, -1)


def tensor(rows, entry):
    """Return the codes of one tensor."""
    dtype, shape = np.dtype(entry["type"]), entry["shape"]
    end = entry["start"] + int(np.prod(shape)) * dtype.itemsize
    part = np.ascontiguousarray(rows[:, entry["start"] : end])
    return part.view(dtype).reshape(len(rows), *shape)
