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
        compiler.compiler()
        self.program = reading.program
        path = os.path.join(folder, "c")
        self.source, body = write_c(reading, path)
        self.layout = layout(self.source, body)
        harness = os.path.join(path, NAME)
        with open(harness, "w", encoding="utf-8") as file:
            file.write(harness_text(self.source))
        self.executable = compiler.compiled(harness, os.path.join(path, "harness"))

    @classmethod
    def version(cls):
        return compiler.version()

    def compute(self, arrays, codes):
        rows = run(self.executable, list(self.fed(arrays, codes).values()))
        shown = {p: tensor(rows, entry).astype(np.int64) for p, entry in self.layout.items()}
        return {**dict(zip(self.program.inputs, codes, strict=True)), **shown}

    def fed(self, arrays, codes):
        pairs = zip(self.source.inputs, codes, strict=True)
        return {argument.name: batch.astype(argument.type.dtype) for argument, batch in pairs}

    def prepare(self, folder):
        os.remove(self.executable)
        return [self.layout[position] for position in self.program.outputs]
