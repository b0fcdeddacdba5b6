"""The NumPy engine of this package."""

from keras_alt.engines.engine import Engine
from keras_alt.integer import trace


class IntegerEngine(Engine):
    name = "integer"
    package = "numpy"

    def open(self, model, folder):
        """There is no file: the program is what computes."""

    def compute(self, arrays, codes):
        return trace(self.program, codes)
