"""Runs the exported C, compiled by the system's compiler."""

import os
from importlib import resources

import numpy as np

from keras_alt.engines.c import compiler
from keras_alt.engines.c.device import run, tensor
from keras_alt.engines.c.export import write_c
from keras_alt.engines.c.harness import NAME, harness_text, layout


class CEngine:
    """A program made of the C files; see `keras_alt.engines.engine.Engine`."""

    name = "c"
    device = resources.files("keras_alt.engines.c").joinpath("device.py")

    def __init__(self, reading, folder):
        self.program = reading.program
        path = os.path.join(folder, "c")
        self.source, body = write_c(reading, path)
        self.layout = layout(self.source, body)
        with open(os.path.join(path, NAME), "w", encoding="utf-8") as file:
            file.write(harness_text(self.source))
        self.executable = self.build(path)

    @classmethod
    def version(cls):
        return compiler.version()

    def build(self, folder: str) -> str:
        """Compile the harness of a folder; return the program's path."""
        return compiler.compiled(os.path.join(folder, NAME), os.path.join(folder, "harness"))

    def rows(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Return the bytes that the program writes of each sample."""
        return run(self.executable, arrays)

    def compute(self, arrays, codes):
        rows = self.rows(list(self.fed(arrays, codes).values()))
        shown = {p: tensor(rows, entry).astype(np.int64) for p, entry in self.layout.items()}
        return {**dict(zip(self.program.inputs, codes, strict=True)), **shown}

    def fed(self, arrays, codes):
        pairs = zip(self.source.inputs, codes, strict=True)
        return {argument.name: batch.astype(argument.type.dtype) for argument, batch in pairs}

    def prepare(self, folder):
        os.remove(self.executable)
        return [self.layout[position] for position in self.program.outputs]
