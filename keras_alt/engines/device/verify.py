"""Repeats a proof of `keras_alt.verify` on this machine.

    python verify.py

Prints the number of output codes that differ from those of the Keras model. Exits with 1 if any
code differs. Codes behind float layers, which engines may round otherwise, have a tolerance.
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
    exact, behind = [], []
    for want, got, is_behind in zip(expected, computed, about["behind"]):  # noqa: B905
        if want.shape != np.shape(got):
            sys.exit(f"expected outputs of shape {want.shape}, got {np.shape(got)}")
        (behind if is_behind else exact).append(np.abs(np.asarray(got) - want).ravel())
    different, total, _ = counted(exact)
    proof = f"{about['mismatches']} with {about['version']} on {about['cpu']}"
    sys.stdout.write(f"{different} of {total} codes differ\n")
    moved, of, most = counted(behind)
    if of:
        sys.stdout.write(
            f"behind float layers, {moved} of {of} codes differ, by {most} at most; "
            f"{about['tolerance']} is allowed\n"
        )
    sys.stdout.write(f"here: {engine.version()}; where it was written: {proof}\n")
    return 1 if different or most > about["tolerance"] else 0


def counted(differences):
    """Return how many codes differ, of how many, and by how much at most."""
    flat = np.concatenate([np.zeros(0), *differences])
    return int(np.count_nonzero(flat)), flat.size, flat.max(initial=0)


def arrays(folder, name):
    with np.load(os.path.join(folder, name)) as file:
        return [file[f"arr_{number}"] for number in range(len(file.files))]


if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.abspath(__file__))))
