"""Runs an ONNX file with ONNX Runtime on the CPU, with optimizations."""

import os
from importlib import resources

import numpy as np

from keras_alt.engines.fitting import require
from keras_alt.engines.observing import require_same
from keras_alt.engines.onnx_float.types import input_type
from keras_alt.engines.onnxruntime.export import write_onnx, zero_point


class ONNXRuntimeEngine:
    """Two sessions of an ONNX file; see `keras_alt.engines.engine.Engine`.

    One runs the file as it is. The other has the inner codes as additional outputs.
    """

    name = "onnxruntime"
    device = resources.files("keras_alt.engines.onnxruntime").joinpath("device.py")

    def __init__(self, reading, folder):
        require("onnx", "onnx")
        require("onnxruntime", "onnx")
        import onnx
        import onnxruntime

        self.reading, self.program = reading, reading.program
        self.inputs = reading.entry.inputs
        path = os.path.join(folder, "model.onnx")
        written = write_onnx(reading, path)
        providers = ["CPUExecutionProvider"]
        self.plain = onnxruntime.InferenceSession(path, providers=providers)
        positions = set(reading.taps.values())
        self.names = {p: name for p, name in written.items() if p in positions}
        self.shown = observed(onnx.load(path), self.names.values()).SerializeToString()
        self.observed = onnxruntime.InferenceSession(self.shown, providers=providers)

    @classmethod
    def version(cls):
        import onnxruntime  # several packages provide the module, such as onnxruntime-gpu

        return f"onnxruntime {onnxruntime.__version__}"

    def fed(self, arrays, codes):
        names = [node.name for node in self.plain.get_inputs()]
        return {
            name: array.astype(input_type(tensor))
            for name, array, tensor in zip(names, arrays, self.inputs, strict=True)
        }

    def prepare(self, folder):
        with open(os.path.join(folder, "observed.onnx"), "wb") as file:
            file.write(self.shown)
        tensors = [(self.names[p], self.program.tensors[p]) for p in self.reading.ends()]
        return [{"tensor": name, "zero_point": int(zero_point(t))} for name, t in tensors]

    def compute(self, arrays, codes):
        feed = self.fed(arrays, codes)
        plain = self.plain.run(None, feed)
        observed = self.observed.run(None, feed)
        require_same(self, plain, observed[: len(plain)])
        inner = zip(self.names, observed[len(plain) :], strict=True)
        return {position: self._codes(stored, position) for position, stored in inner}

    def _codes(self, stored, position):
        codes = stored.astype(np.int64) - int(zero_point(self.program.tensors[position]))
        return np.moveaxis(codes, 1 if codes.ndim > 2 else -1, -1)


def observed(proto, names):
    """Make some tensors of an ONNX model outputs; return the model."""
    import onnx

    # ONNX Runtime finds their types when it loads the model.
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return proto
