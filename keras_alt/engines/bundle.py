"""The bundle, a folder that repeats a proof on another machine without this package."""

import json
import os
import shutil
from importlib import resources

import numpy as np

from keras_alt.engines.engine import Engine
from keras_alt.engines.manifest import write_manifest
from keras_alt.integer import Reading

SIZES = (np.int8, np.int16, np.int32, np.int64)
README = """A proof of keras_alt.verify, to repeat on the machine where the model will run.

    python verify.py

It prints `0 of N codes differ`, or exits with 1. Codes behind float layers are counted by
themselves; those may differ by one, or by what they differed where this was written.

model/         what was exported
inputs.npz     what the engine was given, samples along the first axis
expected.npz   the output codes of the Keras model
bundle.json    names, the engine and processor of the proof, and its result
manifest.json  the SHA-256 of each file, the versions of packages; with keras_alt installed,
               `keras_alt.engines.check_bundle(folder)` names the files that changed
verify.py      compares; engine.py computes
"""


class Bundle:
    """Collects the inputs and the expected codes of a proof, then writes it.

    Args:
        session: the engine that computes the proof.
        model_folder: the folder of its exported files.
        reading: what the engine computes.
    """

    def __init__(self, session: Engine, model_folder: str, reading: Reading):
        self.session, self.model_folder, self.reading = session, model_folder, reading
        self.inputs, self.expected = {}, []

    def add(self, arrays: list, codes: list, expected: list):
        """Add a batch.

        Args:
            arrays: inputs of the Keras model.
            codes: the same inputs, quantized.
            expected: codes of `reading.ends()`.
        """
        for name, values in self.session.fed(arrays, codes).items():
            self.inputs.setdefault(name, []).append(_small(values))
        self.expected.append([_small(values) for values in expected])

    def write(self, folder: str, result):
        """Write the bundle into an empty folder.

        Args:
            folder: the folder to write to.
            result: the `Verification` that the bundle repeats.
        """
        behind = self.reading.behind()
        about = {
            "engine": result.engine,
            "version": result.version,
            "cpu": result.cpu,
            "samples": result.samples,
            "mismatches": result.mismatches,
            "total": result.total,
            "inputs": list(self.inputs),
            "outputs": self.session.prepare(self.model_folder),
            "behind": [position in behind for position in self.reading.ends()],
            "tolerance": max([1, *(row.max_lsb for row in result.behind)]),
        }
        shutil.copytree(self.model_folder, os.path.join(folder, "model"))
        _savez(folder, "inputs.npz", self.inputs.values())
        _savez(folder, "expected.npz", zip(*self.expected, strict=True))
        verify = resources.files("keras_alt.engines.device").joinpath("verify.py")
        texts = {
            "bundle.json": json.dumps(about, indent=2) + "\n",
            "README.txt": README,
            "verify.py": verify.read_text(encoding="utf-8"),
            "engine.py": self.session.device.read_text(encoding="utf-8"),
        }
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        write_manifest(folder, result.engine, result.version, result.cpu)


def _savez(folder, name, batches):
    np.savez(os.path.join(folder, name), *(np.concatenate(parts) for parts in batches))


def _small(values):
    """Return 64-bit whole numbers in the smallest integer type that holds them.

    Keras codes that are not integers stay unchanged, so they differ from every code.
    """
    if values.dtype.itemsize < 8 or not np.array_equal(values, np.rint(values)):
        return values
    values = values.astype(np.int64)
    low, high = values.min(initial=0), values.max(initial=0)
    fitting = (d for d in SIZES if np.iinfo(d).min <= low and high <= np.iinfo(d).max)
    return values.astype(next(fitting))
