"""LiteRT with its default delegate."""

import os
import warnings

import numpy as np

from keras_alt.engines.engine import Engine
from keras_alt.engines.fitting import require
from keras_alt.engines.litert.export import to_litert


class LiteRTEngine(Engine):
    name = "litert"
    package = "ai-edge-litert"

    def open(self, model, folder):
        require("ai_edge_litert", "litert")
        from ai_edge_litert.interpreter import Interpreter

        path = to_litert(model, os.path.join(folder, "model.tflite"))
        self.plain = Interpreter(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self.observed = Interpreter(path, experimental_preserve_all_tensors=True)
        for interpreter in (self.plain, self.observed):
            interpreter.allocate_tensors()
        self.tensors = dict(self._tensors())

    def _tensors(self):
        """Yield the position of each integer tensor of the program, and its index in the file."""
        for detail in self.observed.get_tensor_details():
            head, _, position = detail["name"].rpartition(":")
            if head and position.isdecimal() and detail["dtype"] is np.int8:
                yield int(position), detail["index"]

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
        details = {d["index"]: d["name"] for d in self.observed.get_tensor_details()}
        return [
            {"tensor": details[self.tensors[p]], "zero_point": self._zero_point(p)}
            for p in self.program.outputs
        ]

    def _computed(self, arrays, codes, sample):
        outputs = []
        for interpreter in (self.plain, self.observed):
            for detail in interpreter.get_input_details():
                interpreter.set_tensor(detail["index"], self._fed(detail, arrays, codes, sample))
            interpreter.invoke()
            details = interpreter.get_output_details()
            outputs.append([interpreter.get_tensor(detail["index"]) for detail in details])
        self.same(*outputs)
        return dict(self._read())

    def _fed(self, detail, arrays, codes, sample):
        """Return what an input of the file takes: codes, or floats in front of other layers."""
        head, _, position = detail["name"].rpartition(":")
        if detail["dtype"] is np.int8:
            position = int(position)
            batch = codes[self.program.inputs.index(position)]
            return (batch[sample : sample + 1] + self._zero_point(position)).astype(np.int8)
        names = [tensor.name for tensor in self.program.entry.inputs]
        return arrays[names.index(detail["name"])][sample : sample + 1].astype(detail["dtype"])

    def _read(self):
        for position, index in self.tensors.items():
            try:
                stored = self.observed.get_tensor(index)
            except ValueError:  # the delegate keeps this one to itself
                continue
            yield position, stored.astype(np.int64) - self._zero_point(position)

    def _zero_point(self, position):
        return 0 if self.program.tensors[position].format.signed else -128
