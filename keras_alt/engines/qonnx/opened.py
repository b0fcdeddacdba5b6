"""QONNX files that are opened as they are, on qonnx's executor."""

import os

import numpy as np

from keras_alt.engines import opened
from keras_alt.engines.fitting import require
from keras_alt.engines.onnxruntime.opened import channels_last
from keras_alt.engines.qonnx.export import DOMAIN
from keras_alt.engines.qonnx.run import QONNXEngine, sized

MOVES = (
    *("Clip", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max", "MaxPool", "Min", "Pad"),
    *("ReduceMax", "ReduceMin", "Relu", "Reshape", "Resize", "Slice", "Squeeze", "Tile"),
    *("Transpose", "Unsqueeze"),
)


class OpenedOnQONNX:
    """See `keras_alt.engines.opened.Opened`.

    Args:
        path: `*.onnx` file with Quant nodes.
        engine: "qonnx".
    """

    rounding = types = None

    def __init__(self, path: str | os.PathLike, engine: str):
        require("qonnx", "onnx")
        import onnx

        self.engine, self.proto = engine, onnx.load(path)
        graph, found = self.proto.graph, scales(self.proto.graph)
        self.scales = {name: found[name] for name in opened.of_program(found)}
        producers = {output: list(n.input) for n in graph.node for output in n.output}
        self.outputs = [tensor.name for tensor in graph.output]
        self.ends = opened.ends_of(self.outputs, producers, self.scales)
        self.input_names = [tensor.name for tensor in graph.input]

    def version(self):
        return QONNXEngine.version()

    def compute(self, arrays, rounding):
        from qonnx.core.onnx_exec import execute_onnx

        floats = zip(self.input_names, arrays, strict=True)
        feed = {name: array.astype(np.float32) for name, array in floats}
        model = sized(self.proto, len(arrays[0]))
        values = execute_onnx(model, feed, return_full_exec_context=True)
        tensors = {
            name: opened.Codes(channels_last(values[name].astype(np.float64)) / scale, scale)
            for name, scale in self.scales.items()
        }
        return opened.Computed([values[name] for name in self.outputs], tensors)


def is_qonnx(path: str | os.PathLike) -> bool:
    """Return whether an ONNX file has Quant nodes."""
    require("onnx", "onnx")
    import onnx

    return any(node.domain == DOMAIN for node in onnx.load(path).graph.node)


def scales(graph) -> dict[str, float]:
    """Return the scale of each tensor on a grid that is no constant.

    Quant nodes give these tensors, and nodes that only move what one of them gives.
    """
    from onnx import numpy_helper

    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = {}
    for node in graph.node:
        given = {found[name] for name in node.input if name in found}
        if node.op_type == "Quant" and node.input[0] not in constants:
            found[node.output[0]] = float(constants[node.input[1]])
        elif node.op_type in MOVES and len(given) == 1:
            found.update((name, *given) for name in node.output)
    return found
