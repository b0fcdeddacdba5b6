"""Runs the exported integers with NumPy."""

import os
from importlib import metadata, resources

from keras_alt.engines.integer.export import write_integers
from keras_alt.engines.integer.runner import IntegerModel


class IntegerEngine:
    """The NumPy program of an integer folder; see `keras_alt.engines.engine.Engine`."""

    name = "integer"
    device = resources.files("keras_alt.engines.integer").joinpath("device.py")

    def __init__(self, reading, folder):
        self.program = reading.program
        path = os.path.join(folder, "integers")
        write_integers(reading, path)
        self.model = IntegerModel(path)

    @classmethod
    def version(cls):
        return f"numpy {metadata.version('numpy')}"

    def compute(self, arrays, codes):
        return self.model.trace(codes)

    def fed(self, arrays, codes):
        names = [f"{position}" for position in self.program.inputs]
        return dict(zip(names, codes, strict=True))

    def prepare(self, folder):
        return [{} for _ in self.program.outputs]
