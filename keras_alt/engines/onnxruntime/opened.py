"""ONNX files that are opened as they are, on ONNX Runtime."""

import os

import numpy as np

from keras_alt.engines import opened
from keras_alt.engines.fitting import require
from keras_alt.engines.observing import require_same
from keras_alt.engines.onnxruntime.run import ONNXRuntimeEngine, observed

TYPES = {"tensor(float)": "float32", "tensor(bool)": "bool"}
TYPES.update({f"tensor({name})": name for name in ("float64", "uint8", "int8", "int32", "int64")})


class OpenedOnONNXRuntime:
    """See `keras_alt.engines.opened.Opened`.

    Args:
        path: `*.onnx` file with QuantizeLinear and DequantizeLinear.
        engine: "onnxruntime".
    """

    rounding = types = None

    def __init__(self, path: str | os.PathLike, engine: str):
        require("onnx", "onnx")
        require("onnxruntime", "onnx")
        import onnx
        import onnxruntime

        self.engine, proto = engine, onnx.load(path)
        found = stored_tensors(proto.graph)
        self.stored = {name: found[name] for name in opened.of_program(found)}
        producers = {output: list(n.input) for n in proto.graph.node for output in n.output}
        outputs = [tensor.name for tensor in proto.graph.output]
        self.ends = opened.ends_of(outputs, producers, self.stored)
        shown = observed(proto, [name for name in self.stored if name not in outputs])
        self.names = [tensor.name for tensor in shown.graph.output]
        providers = ["CPUExecutionProvider"]
        self.plain = onnxruntime.InferenceSession(os.fspath(path), providers=providers)
        self.observed = onnxruntime.InferenceSession(shown.SerializeToString(), providers=providers)
        self.input_names = [node.name for node in self.plain.get_inputs()]

    def version(self):
        return ONNXRuntimeEngine.version()

    def compute(self, arrays, rounding):
        nodes = zip(self.plain.get_inputs(), arrays, strict=True)
        feed = {node.name: array.astype(TYPES[node.type]) for node, array in nodes}
        plain, values = self.plain.run(None, feed), self.observed.run(None, feed)
        require_same(self, plain, values[: len(plain)])
        by_name = dict(zip(self.names, values, strict=True))
        tensors = {n: rule.codes(channels_last(by_name[n])) for n, rule in self.stored.items()}
        return opened.Computed(plain, tensors)


def channels_last(array: np.ndarray) -> np.ndarray:
    """Return a tensor of an ONNX graph in Keras' order of axes."""
    return np.moveaxis(array, 1 if array.ndim > 2 else -1, -1)


def stored_tensors(graph) -> dict[str, opened.Stored]:
    """Return how tensors that are no constants are stored, by name."""
    from onnx import numpy_helper

    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    casts = {n.output[0] for n in graph.node if set(n.input) <= set(constants)}  # of packed weights
    held = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        name = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
        scale = constants.get(node.input[1])
        if name in constants or name in casts or scale is None or scale.size != 1:
            continue
        if not name.endswith("/unclipped"):  # what a Clip behind it bounds
            zero = constants[node.input[2]] if len(node.input) > 2 else 0
            held[name] = opened.Stored(float(scale), int(zero))
    return held
