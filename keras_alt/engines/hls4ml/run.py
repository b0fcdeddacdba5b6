"""Runs the C simulation of an hls4ml project, compiled by g++."""

import glob
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, resources

import numpy as np

from keras_alt.engines.fitting import require
from keras_alt.engines.hls4ml.export import CONFIG, contained, write_project
from keras_alt.engines.observing import require_same


class HLS4MLEngine:
    """Two compiled projects; see `keras_alt.engines.engine.Engine`.

    One is the project that a user gets. The other also outputs the inner tensors.
    """

    name = "hls4ml"
    device = resources.files("keras_alt.engines.hls4ml").joinpath("device.py")

    def __init__(self, reading, folder):
        require("hls4ml", "hls")
        require("qonnx", "hls")
        if shutil.which("g++") is None:
            raise RuntimeError(
                "hls4ml's C simulation is compiled by g++: install it, and put it on the path. "
                "Received: no g++"
            )
        self.program = program = reading.program
        inner = {p for p in reading.taps.values() if p not in program.inputs}
        outputs = sorted(set(program.outputs))
        shown = sorted({*inner, *outputs})
        paths = [os.path.join(folder, name) for name in ("plain", "observed")]
        self.plain = write_project(program, outputs, paths[0])
        self.observed = write_project(program, shown, paths[1])
        self.names = self.observed.names
        with contained("g++ cannot compile hls4ml's project"), ThreadPoolExecutor() as pool:
            self.simulations = list(pool.map(simulation, paths))

    @classmethod
    def version(cls):
        return f"hls4ml {metadata.version('hls4ml')}"

    def compute(self, arrays, codes):
        inputs = list(self.fed(arrays, codes).values())
        projects = zip((self.plain, self.observed), self.simulations, strict=True)
        plain, observed = (self._codes(*project, inputs) for project in projects)
        require_same(self, [plain[p] for p in plain], [observed[p] for p in plain])
        return observed

    def _codes(self, project, simulation, inputs):
        """Return codes by position; a project outputs a shared tensor only once."""
        values = simulation.predict(inputs[0] if len(inputs) == 1 else inputs)
        values = [values] if len(project.outputs) == 1 else values
        values = dict(zip(project.outputs, values, strict=True))
        codes = {}
        for position in project.positions:
            tensor = self.program.tensors[position]
            scaled = np.ldexp(values[project.names[position]], -tensor.exponent)
            codes[position] = scaled.reshape(len(inputs[0]), *tensor.shape)
        return codes

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
        _let_travel(os.path.join(folder, "plain", CONFIG))
        arguments = self.plain.outputs
        tensors = [(self.names[p], self.program.tensors[p]) for p in self.program.outputs]
        return [
            {"argument": arguments.index(name), "exponent": t.exponent, "shape": t.shape}
            for name, t in tensors
        ]


def _let_travel(config):
    """Let a project be where its tools are called: a bundle is moved to other machines."""
    import yaml

    with open(config) as file:
        content = yaml.safe_load(file)
    with open(config, "w") as file:
        yaml.dump({**content, "OutputDir": "."}, file, sort_keys=False)


def simulation(path: str):
    """Compile the C simulation of a project; return the object that predicts with it."""
    from hls4ml.utils.link import FilesystemModelGraph

    project = FilesystemModelGraph(path)
    project.compile()
    return project
