"""The exported integers, computed by NumPy."""

import os

from keras_alt.engines.engine import Engine
from keras_alt.engines.integer.export import to_integers
from keras_alt.engines.integer.runner import IntegerModel


class IntegerEngine(Engine):
    name = "integer"
    package = "numpy"

    def open(self, model, folder):
        self.model = IntegerModel(to_integers(model, os.path.join(folder, "integers")))

    def compute(self, arrays, codes):
        return self.model.trace(codes)

    def fed(self, arrays, codes):
        names = [f"{position}" for position in self.program.inputs]
        return dict(zip(names, codes, strict=True))

    def prepare(self, folder):
        return [{} for _ in self.program.outputs]
