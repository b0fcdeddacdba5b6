"""ONNX Runtime on the CPU, optimizations on."""

import os

import numpy as np

from keras_alt.engines.engine import Engine
from keras_alt.engines.fitting import require
from keras_alt.engines.onnxruntime.export import to_onnx, zero_point


class ONNXRuntimeEngine(Engine):
    name = "onnxruntime"
    package = "onnxruntime"

    @classmethod
    def version(cls):
        import onnxruntime  # the module has several packages, onnxruntime-gpu for instance

        return f"onnxruntime {onnxruntime.__version__}"

    def open(self, model, folder):
        require("onnx", "onnx")
        require("onnxruntime", "onnx")
        import onnx
        import onnxruntime

        path = to_onnx(model, os.path.join(folder, "model.onnx"))
        providers = ["CPUExecutionProvider"]
        self.plain = onnxruntime.InferenceSession(path, providers=providers)
        proto = onnx.load(path)
        self.names = observe(proto, set(self.program.taps.values()))
        self.shown = proto.SerializeToString()
        self.observed = onnxruntime.InferenceSession(self.shown, providers=providers)

    def fed(self, arrays, codes):
        names = [node.name for node in self.plain.get_inputs()]
        return {n: a.astype(np.float32) for n, a in zip(names, arrays, strict=True)}

    def prepare(self, folder):
        with open(os.path.join(folder, "observed.onnx"), "wb") as file:
            file.write(self.shown)
        names = {position: name for name, position in self.names.items()}
        tensors = [(names[p], self.program.tensors[p]) for p in self.program.outputs]
        return [{"tensor": name, "zero_point": int(zero_point(t))} for name, t in tensors]

    def compute(self, arrays, codes):
        feed = self.fed(arrays, codes)
        plain = self.plain.run(None, feed)
        observed = self.observed.run(None, feed)
        self.same(plain, observed[: len(plain)])
        held = dict(zip(self.names, observed[len(plain) :], strict=True))
        return {p: self._codes(held[name], p) for name, p in self.names.items()}

    def _codes(self, stored, position):
        codes = stored.astype(np.int64) - int(zero_point(self.program.tensors[position]))
        return np.moveaxis(codes, 1 if codes.ndim > 2 else -1, -1)


def observe(proto, positions) -> dict[str, int]:
    """Make the codes at some positions outputs of the graph; return positions by name."""
    import onnx

    names = {}
    for node in proto.graph.node:
        head, _, position = node.name.rpartition(":")
        if head and position.isdecimal() and int(position) in positions:
            names[node.name] = int(position)
            proto.graph.output.append(onnx.ValueInfoProto(name=node.name))  # typed when loaded
    return names
