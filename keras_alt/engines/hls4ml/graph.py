"""Writes an integer program as the QONNX graph that hls4ml reads.

Tensors are channels last, and all have shapes. hls4ml uses the names of nodes as C++ identifiers.
Therefore the names here consist of letters and digits and end with the position of the output.
"""

import re

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.hls4ml import layers
from keras_alt.engines.hls4ml.nodes import CHANNELS_LAST, NODES, missing
from keras_alt.engines.qonnx.export import DOMAIN, quant_attributes
from keras_alt.formats import FixedPoint
from keras_alt.integer import Program


class ChannelsLastWriter:
    """Writes the steps of a program as nodes.

    Args:
        program: integer program of the model.
        outputs: positions of the outputs.

    Attributes:
        values: `{position: name of its tensor}`.
        names: unique names of the outputs, in the order of their nodes, as hls4ml expects.
    """

    def __init__(self, program: Program, outputs: list[int]):
        self.program, self.outputs = program, outputs
        self.nodes, self.initializers, self.shapes = [], [], {}
        self.values, self.names = {}, []
        self.whole = set()  # names of int64 tensors
        self.inner = {}  # extra nodes: name -> position with the same range
        self.moved = set()  # names of extra nodes whose results have the type of their input

    def model(self):
        """Return the `onnx.ModelProto`. Its inputs must already lie on the program's grid."""
        from onnx import helper

        inputs = [self.enter(position) for position in self.program.inputs]
        for step in self.program.steps:
            self.write(step)
        ends = {self.values[p] for p in self.outputs}
        order = [*inputs, *(node.name for node in self.nodes)]
        self.names = sorted(ends, key=order.index)
        between = [name for name in self.shapes if name not in ends.union(inputs)]
        graph = helper.make_graph(
            self.nodes,
            "keras_alt",
            [self.info(name) for name in inputs],
            [self.info(name) for name in self.names],
            initializer=self.initializers,
            value_info=[self.info(name) for name in between],
        )
        opsets = {"": 13, DOMAIN: 2, CHANNELS_LAST: 1}
        if any(node.domain == layers.DOMAIN for node in self.nodes):
            opsets[layers.DOMAIN] = 1
        return helper.make_model(
            graph,
            producer_name="keras_alt",
            opset_imports=[helper.make_opsetid(*entry) for entry in opsets.items()],
            ir_version=10,
        )

    def write(self, step):
        """Append the nodes of a step; raise an `ExportError` if hls4ml has no form of it."""
        if step.operation not in NODES:
            raise missing(step)
        NODES[step.operation](self, step)

    def info(self, name):
        from onnx import TensorProto, helper

        kind = TensorProto.INT64 if name in self.whole else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, self.shapes[name])

    def enter(self, position) -> str:
        name = self.values[position] = self.name(position)
        self.shapes[name] = (1, *self.program.tensors[position].shape)
        return name

    def name(self, position) -> str:
        """Return a C++ identifier for a position, made from the name of its tensor."""
        return identifier(self.program.tensors[position].name, position)

    def at(self, step) -> list[str]:
        return [self.values[position] for position in step.inputs]

    def add(self, kind: str, inputs: list, name: str, shape: tuple, domain="", **attributes) -> str:
        """Append a node; return its name, which is also the name of its output."""
        from onnx import helper

        node = helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        self.shapes[name] = shape
        return name

    def give(self, step, kind, inputs, **attributes):
        """Append the node that computes the output of a step."""
        position = step.output
        shape = (1, *self.program.tensors[position].shape)
        self.values[position] = self.add(kind, inputs, self.name(position), shape, **attributes)

    def give_layer(self, step, kind: str, **attributes):
        """Append the layer of hls4ml, see `add_layer`, that computes the output of a step."""
        position, inputs = step.output, self.at(step)
        shape = (1, *self.program.tensors[position].shape)
        name = self.name(position)
        self.values[position] = self.add_layer(kind, inputs, name, shape, **attributes)

    def add_layer(self, kind: str, inputs: list, name: str, shape: tuple, **attributes) -> str:
        """Append a layer of hls4ml that it does not read from ONNX; return its name.

        Args:
            kind: name of the layer in hls4ml.
            inputs: names of tensors.
            name: of the layer and of its output.
            shape: of the output, with the batch.
            attributes: those of the layer in hls4ml.
        """
        held = layers.node_attributes({"class_name": kind, **attributes})
        return self.add(layers.KIND, inputs, name, shape, domain=layers.DOMAIN, **held)

    def reshaped(self, value: str, name: str, shape: tuple) -> str:
        """Append a node that gives a tensor another shape, without the batch; return its name."""
        sizes = self.initializer(f"{name}_integers", np.array([1, *shape], np.int64))
        return self.add("Reshape", [value, sizes], name, (1, *shape))

    def initializer(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        self.shapes[name] = values.shape
        if values.dtype == np.int64:
            self.whole.add(name)
        return name

    def constant(self, name: str, constant, codes: np.ndarray) -> str:
        """Add a kernel, bias or factor; return the name of its float value."""
        if constant.shifts is not None:
            raise ExportError(
                "hls4ml has one type for a kernel, so its channels need one scale: quantize the "
                "model with `QuantizeConfig(weight_scales='tensor')`. "
                f"Received: '{name}' with a scale for each channel"
            )
        exact = np.ldexp(codes.astype(np.float64), constant.exponent)
        values = exact.astype(np.float32)
        if not np.array_equal(exact, values):
            raise ExportError(
                f"QONNX holds constants as float32, which is exact for 24 bits. "
                f"Received: {constant.format} at '{name}'"
            )
        held = self.initializer(f"{name}_values", values)
        return self.quantized(held, name, values.shape, constant.exponent, constant.format)

    def quantized(self, value, name, shape, exponent, format: FixedPoint, rounding="half_even"):
        # hls4ml removes constants together with their first reader, so each node has its own.
        scale, zero, bits = (
            self.initializer(f"{name}_{which}", np.full(1, number, np.float32))
            for which, number in (("scale", 2.0**exponent), ("zero", 0), ("bits", format.bits))
        )
        inputs = [value, scale, zero, bits]
        return self.add("Quant", inputs, name, shape, **quant_attributes(format, rounding))


def refusals(program: Program) -> list[str]:
    """Return why hls4ml has no form of each layer that `to_hls4ml` refuses."""
    writer, told = ChannelsLastWriter(program, sorted(program.outputs)), {}
    for position in program.inputs:
        writer.enter(position)
    for step in program.steps:
        try:
            writer.write(step)
        except ExportError as error:
            told.setdefault(step.layer, str(error))
            writer.values[step.output] = writer.name(step.output)
    return list(told.values())


def identifier(name: str, position: int) -> str:
    name = f"q_{name}" if name[:1].isdigit() else name
    return re.sub(r"\W", "_", f"{name}_{position}")
