"""Runs a LiteRT file with TFLM, the interpreter for microcontrollers, on this machine."""

import os
from importlib import metadata, resources

import numpy as np

from keras_alt.engines.fitting import ExportError, require
from keras_alt.engines.litert.export import write_litert
from keras_alt.engines.litert.stored import zero_point
from keras_alt.engines.observing import require_same
from keras_alt.engines.tflm.arena import enough_bytes, parsed


class TFLMEngine:
    """Two interpreters of a LiteRT file; see `keras_alt.engines.engine.Engine`.

    One runs the file as it is. The other keeps the inner tensors.
    """

    name = "tflm"
    device = resources.files("keras_alt.engines.tflm").joinpath("device.py")

    def __init__(self, reading, folder):
        require("ai_edge_litert", "litert")
        require("tflite_micro", "tflm")
        self.reading, self.program = reading, reading.program
        path = os.path.join(folder, "model.tflite")
        self.names = write_litert(reading, path)
        graph = parsed(path)
        self.arena = enough_bytes(graph)
        self.plain, self.observed = interpreters(path, self.arena)
        names = [tensor.name.decode() for tensor in graph.tensors]
        self.inputs = [names[index] for index in graph.inputs]
        self.outputs = len(graph.outputs)
        computed = {names[index] for operator in graph.operators for index in operator.outputs}
        self.tensors = {p: names.index(n) for p, n in self.names.items() if n in computed}

    @classmethod
    def version(cls):
        return f"tflite-micro {metadata.version('tflite-micro')}"

    def compute(self, arrays, codes):
        fed = list(self.fed(arrays, codes).values())
        results = {}
        for sample in range(len(codes[0])):
            outputs = []
            for interpreter in (self.plain, self.observed):
                for index, values in enumerate(fed):
                    interpreter.set_input(values[sample : sample + 1], index)
                interpreter.invoke()
                outputs.append([interpreter.get_output(index) for index in range(self.outputs)])
            require_same(self, *outputs)
            for position, index in self.tensors.items():
                stored = self.observed.GetTensor(index, 0)["tensor_data"].astype(np.int64)
                zero = zero_point(self.program.tensors[position])
                results.setdefault(position, []).append(stored - zero)
        shown = {position: np.concatenate(parts) for position, parts in results.items()}
        return {**dict(zip(self.program.inputs, codes, strict=True)), **shown}

    def fed(self, arrays, codes):
        return {name: self._fed(name, arrays, codes) for name in self.inputs}

    def _fed(self, name, arrays, codes):
        """Return the values for an input of the file: codes, or floats for float layers."""
        for position, batch in zip(self.program.inputs, codes, strict=True):
            if self.names[position] == name:
                return (batch + zero_point(self.program.tensors[position])).astype(np.int8)
        tensors = [tensor for tensor in self.reading.entry.inputs if tensor.name == name]
        index = self.reading.entry.inputs.index(tensors[0])
        return arrays[index].astype(tensors[0].dtype)

    def prepare(self, folder):
        return [
            {
                "tensor": self.tensors[p],
                "zero_point": zero_point(self.program.tensors[p]),
                "arena": self.arena,
            }
            for p in self.reading.ends()
        ]


def interpreters(path: str, arena: int):
    """Return an interpreter of a file, and another one that keeps the inner tensors.

    Raises:
        ExportError: TFLM does not take the file.
    """
    from tflite_micro import runtime

    keeping = runtime.InterpreterConfig.kPreserveAllTensors
    try:
        return (
            runtime.Interpreter.from_file(path, arena_size=arena),
            runtime.Interpreter.from_file(path, arena_size=arena, intrepreter_config=keeping),
        )
    except RuntimeError as error:
        raise ExportError(
            "TFLM must be able to load the file; it says on the standard error which operator it "
            f"cannot prepare: apply float layers outside of the file. Received: {error}"
        ) from error
