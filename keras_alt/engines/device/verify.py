"""Repeats a proof of `keras_alt.verify` on this machine.

    python verify.py

Prints the number of output codes that differ from those of the Keras model. Exits with 1 if any
code differs.
"""

import json
import os
import sys

import engine
import numpy as np


def main(folder):
    with open(os.path.join(folder, "bundle.json"), encoding="utf-8") as file:
        about = json.load(file)
    inputs = dict(zip(about["inputs"], arrays(folder, "inputs.npz")))  # noqa: B905
    expected = arrays(folder, "expected.npz")
    computed = engine.compute(folder, about, inputs)
    if len(computed) != len(expected):
        sys.exit(f"expected {len(expected)} outputs, got {len(computed)}")
    different = total = 0
    for want, got in zip(expected, computed):  # noqa: B905
        if want.shape != np.shape(got):
            sys.exit(f"expected outputs of shape {want.shape}, got {np.shape(got)}")
        different += int(np.count_nonzero(np.asarray(got) != want))
        total += want.size
    proof = f"{about['mismatches']} with {about['version']} on {about['cpu']}"
    sys.stdout.write(f"{different} of {total} codes differ\n")
    sys.stdout.write(f"here: {engine.version()}; where it was written: {proof}\n")
    return 1 if different else 0


def arrays(folder, name):
    with np.load(os.path.join(folder, name)) as file:
        return [file[f"arr_{number}"] for number in range(len(file.files))]


if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.abspath(__file__))))
