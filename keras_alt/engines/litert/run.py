"""Runs a LiteRT file, with the default delegate or by the reference kernels."""

import os
import warnings
from importlib import metadata, resources

import numpy as np

from keras_alt.engines.fitting import require
from keras_alt.engines.litert.export import write_litert
from keras_alt.engines.litert.stored import zero_point
from keras_alt.engines.observing import require_same


class LiteRTEngine:
    """Two interpreters of a LiteRT file; see `keras_alt.engines.engine.Engine`.

    One runs the file as it is. The other keeps the inner tensors.
    """

    name = "litert"
    device = resources.files("keras_alt.engines.litert").joinpath("device.py")

    def __init__(self, reading, folder):
        require("ai_edge_litert", "litert")
        from ai_edge_litert.interpreter import Interpreter

        self.reading, self.program = reading, reading.program
        path = os.path.join(folder, "model.tflite")
        self.names = write_litert(reading, path)
        options = self.options()
        self.plain = Interpreter(path, **options)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self.observed = Interpreter(path, experimental_preserve_all_tensors=True, **options)
        for interpreter in (self.plain, self.observed):
            interpreter.allocate_tensors()
        indices = {d["name"]: d["index"] for d in self.observed.get_tensor_details()}
        self.tensors = {position: indices[name] for position, name in self.names.items()}

    @staticmethod
    def options() -> dict:
        """Return the options of the interpreters."""
        return {}

    @classmethod
    def version(cls):
        return f"ai-edge-litert {metadata.version('ai-edge-litert')}"

    def compute(self, arrays, codes):
        results = {}
        for sample in range(len(codes[0])):
            for position, values in self._computed(arrays, codes, sample).items():
                results.setdefault(position, []).append(values)
        return {position: np.concatenate(parts) for position, parts in results.items()}

    def fed(self, arrays, codes):
        return {
            detail["name"]: np.concatenate(
                [self._fed(detail, arrays, codes, sample) for sample in range(len(codes[0]))]
            )
            for detail in self.plain.get_input_details()
        }

    def prepare(self, folder):
        return [
            {"tensor": self.names[p], "zero_point": zero_point(self.program.tensors[p])}
            for p in self.reading.ends()
        ]

    def _computed(self, arrays, codes, sample):
        outputs = []
        for interpreter in (self.plain, self.observed):
            for detail in interpreter.get_input_details():
                interpreter.set_tensor(detail["index"], self._fed(detail, arrays, codes, sample))
            interpreter.invoke()
            details = interpreter.get_output_details()
            outputs.append([interpreter.get_tensor(detail["index"]) for detail in details])
        require_same(self, *outputs)
        return dict(self._read())

    def _fed(self, detail, arrays, codes, sample):
        """Return the values for an input of the file: codes, or floats for float layers."""
        for position, batch in zip(self.program.inputs, codes, strict=True):
            if self.names[position] == detail["name"]:
                zero = zero_point(self.program.tensors[position])
                return (batch[sample : sample + 1] + zero).astype(np.int8)
        names = [tensor.name for tensor in self.reading.entry.inputs]
        return arrays[names.index(detail["name"])][sample : sample + 1].astype(detail["dtype"])

    def _read(self):
        for position, index in self.tensors.items():
            try:
                stored = self.observed.get_tensor(index)
            except ValueError:  # the delegate does not expose this tensor
                continue
            yield position, stored.astype(np.int64) - zero_point(self.program.tensors[position])


class LiteRTReferenceEngine(LiteRTEngine):
    """The same with the reference kernels, which no delegate replaces."""

    name = "litert-reference"

    @staticmethod
    def options():
        from ai_edge_litert.interpreter import OpResolverType

        return {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF}
