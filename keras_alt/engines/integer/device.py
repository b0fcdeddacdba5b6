"""Computes a bundle with NumPy; needs Python 3.11."""

import importlib
import os
import sys

import numpy as np


def version():
    return f"numpy {np.__version__}"


def compute(folder, about, inputs):
    """Return the codes of each output; `inputs` has the input codes by name."""
    folder = os.path.join(folder, "model", "integers")
    sys.path.insert(0, folder)
    run = importlib.import_module("run")
    return run.IntegerModel(folder).run([inputs[name] for name in about["inputs"]])
