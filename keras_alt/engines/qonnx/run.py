"""Runs a QONNX file with qonnx's executor, node by node in float32."""

import os
from importlib import metadata, resources

import numpy as np

from keras_alt.engines.fitting import require
from keras_alt.engines.onnx_float.types import input_type
from keras_alt.engines.qonnx.export import shaped, write_qonnx


class QONNXEngine:
    """The executor of a QONNX file; see `keras_alt.engines.engine.Engine`."""

    name = "qonnx"
    device = resources.files("keras_alt.engines.qonnx").joinpath("device.py")

    def __init__(self, reading, folder):
        require("qonnx", "onnx")
        import onnx

        self.program, self.inputs = reading.program, reading.entry.inputs
        path = os.path.join(folder, "model.onnx")
        written = write_qonnx(reading, path)
        positions = set(reading.taps.values())
        self.names = {p: name for p, name in written.items() if p in positions}
        self.proto = onnx.load(path)
        self.models = {}

    @classmethod
    def version(cls):
        return f"qonnx {metadata.version('qonnx')}"

    def compute(self, arrays, codes):
        from qonnx.core.onnx_exec import execute_onnx

        model = self.model(len(codes[0]))
        values = execute_onnx(model, self.fed(arrays, codes), return_full_exec_context=True)
        return {
            position: self._codes(values[name], position) for position, name in self.names.items()
        }

    def fed(self, arrays, codes):
        names = [tensor.name for tensor in self.proto.graph.input]
        return {
            name: array.astype(input_type(tensor))
            for name, array, tensor in zip(names, arrays, self.inputs, strict=True)
        }

    def prepare(self, folder):
        tensors = [(self.names[p], self.program.tensors[p]) for p in self.program.outputs]
        return [{"tensor": name, "exponent": tensor.exponent} for name, tensor in tensors]

    def _codes(self, values, position):
        scaled = np.ldexp(values.astype(np.float64), -self.program.tensors[position].exponent)
        return np.moveaxis(scaled, 1 if scaled.ndim > 2 else -1, -1)

    def model(self, count):
        """Return the file's graph with shapes for batches of `count` samples."""
        if count not in self.models:
            self.models = {count: sized(self.proto, count)}
        return self.models[count]


def sized(proto, count: int):
    """Return the graph of a file with shapes for batches of `count` samples."""
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper

    copied = onnx.ModelProto()
    copied.CopyFrom(proto)
    del copied.graph.value_info[:]
    for tensor in [*copied.graph.input, *copied.graph.output]:
        tensor.type.tensor_type.shape.dim[0].dim_value = count
    return ModelWrapper(shaped(copied))
