"""The C simulation of an hls4ml project, compiled by g++."""

import glob
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_alt.engines.engine import Engine
from keras_alt.engines.fitting import require
from keras_alt.engines.hls4ml.export import contained, to_hls4ml, write_project


class HLS4MLEngine(Engine):
    name = "hls4ml"
    package = "hls4ml"

    def open(self, model, folder):
        require("hls4ml", "hls")
        if shutil.which("g++") is None:
            raise RuntimeError(
                "hls4ml's C simulation is compiled by g++: install it, and put it on the path. "
                "Received: no g++"
            )
        program = self.program
        inner = {p for p in program.taps.values() if p not in program.inputs}
        self.outputs = sorted(set(program.outputs))
        self.shown = sorted({*inner, *self.outputs})
        plain = to_hls4ml(model, os.path.join(folder, "plain"))
        observed = os.path.join(folder, "observed")
        writer = write_project(program, self.shown, observed)
        self.names, self.order = writer.values, writer.names
        with contained("g++ cannot compile hls4ml's project"), ThreadPoolExecutor() as pool:
            self.plain, self.observed = pool.map(simulation, (plain, observed))

    def compute(self, arrays, codes):
        inputs = list(self.fed(arrays, codes).values())
        plain = self._codes(self.plain, self.outputs, inputs)
        observed = self._codes(self.observed, self.shown, inputs)
        self.same([plain[p] for p in plain], [observed[p] for p in plain])
        return observed

    def _codes(self, project, positions, inputs):
        """Return codes by position; projects give those that share a tensor once."""
        names = self._given(positions)
        values = project.predict(inputs[0] if len(inputs) == 1 else inputs)
        values = dict(zip(names, [values] if len(names) == 1 else values, strict=True))
        codes = {}
        for position in positions:
            tensor = self.program.tensors[position]
            scaled = np.ldexp(values[self.names[position]], -tensor.exponent)
            codes[position] = scaled.reshape(len(inputs[0]), *tensor.shape)
        return codes

    def _given(self, positions):
        """Return the names of what a project for some positions gives, in its order."""
        wanted = {self.names[p] for p in positions}
        return [name for name in self.order if name in wanted]

    def fed(self, arrays, codes):
        fed = {}
        for position, batch in zip(self.program.inputs, codes, strict=True):
            exponent = self.program.tensors[position].exponent
            fed[self.names[position]] = np.ldexp(batch.astype(np.float64), exponent)
        return fed

    def prepare(self, folder):
        shutil.rmtree(os.path.join(folder, "observed"))
        for library in glob.glob(os.path.join(folder, "plain", "firmware", "*.so")):
            os.remove(library)
        arguments = self._given(self.outputs)
        tensors = [(self.names[p], self.program.tensors[p]) for p in self.program.outputs]
        return [
            {"argument": arguments.index(name), "exponent": t.exponent, "shape": t.shape}
            for name, t in tensors
        ]


def simulation(path: str):
    """Compile the C simulation of a project; return what predicts with it."""
    from hls4ml.utils.link import FilesystemModelGraph

    project = FilesystemModelGraph(path)
    project.compile()
    return project
