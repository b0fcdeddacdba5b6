"""Writes an integer program as an ONNX graph.

ONNX has channels first, so a tensor of three or more axes has its last axis moved behind the batch.
Two subclasses of the writer decide how codes are held. One holds them as integers between
QuantizeLinear and DequantizeLinear. The other holds them as floats behind QONNX's Quant.
"""

from abc import ABC, abstractmethod

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.onnx_float import FloatWriter, element_type
from keras_alt.engines.onnx_float.types import input_type
from keras_alt.engines.onnx_nodes import NODES
from keras_alt.integer import Island, Reading, Source, Step, Tensor

LONGEST = 120  # a longer name is cut before it becomes the beginning of another


class GraphWriter(ABC):
    """Writes the steps of a program as ONNX nodes.

    Args:
        reading: from `keras_alt.integer.read`.
    """

    opsets = {"": 21}
    ir_version = 10  # of the file format
    batch = "batch"  # size of the first axis, or its name if the size is open

    def __init__(self, reading: Reading):
        self.reading, self.program = reading, reading.program
        self.nodes, self.initializers = [], []
        self.held = {}  # by position: name of the tensor that holds the codes
        self.sums = {}  # by position off the grid: name of the float value
        self.floats = {}  # by float tensor of the Keras model that passes by integers: its name
        self.biases = _fusable_biases(self.program)

    # The two subclasses differ in these methods.

    @abstractmethod
    def store(self, value: str, position: int, rounding: str = "half_even") -> str:
        """Bring a float value onto the grid of a position; return the name of the tensor held.

        Args:
            value: name of the float value.
            position: gives the exponent, format and bounds of the result.
            rounding: rounding to the grid, by its name in `keras_alt.integer.arithmetic`.
        """

    @abstractmethod
    def value(self, position: int) -> str:
        """Return the name of the float value of a position."""

    @abstractmethod
    def constant(self, name: str, constant, codes: np.ndarray, axis: int = 0) -> str:
        """Add a kernel or bias with codes in ONNX order; return the name of its float value.

        Args:
            constant: `Constant`.
            codes: its codes in ONNX order.
            axis: of `codes` for the output channels, which may have scales of their own.
        """

    @abstractmethod
    def index(self, position: int, first: int) -> str:
        """Return the codes of a position, less `first`, as integers that Gather takes."""

    @abstractmethod
    def taken(self, table, index: str, position: int, name: str) -> str:
        """Return what is held for a position, taken from a `Constant` at `index`."""

    def regridded(self, position: int) -> str:
        """Return the float value of a position for a quantizer with another grid."""
        return self.value(position)

    def padding_value(self, position: int) -> list[str]:
        """Return the constants that tell a Pad node what zero is; by default none are needed."""
        return []

    # The two subclasses share these methods.

    def model(self):
        """Return the `onnx.ModelProto`."""
        from onnx import helper

        program = self.program
        inputs = [
            helper.make_tensor_value_info(
                tensor.name, element_type(input_type(tensor)), (self.batch, *tensor.shape[1:])
            )
            for tensor in self.reading.entry.inputs
        ]
        self.begin()
        for part in self.reading.sequence():
            if isinstance(part, Island):
                self.island(part)
            elif part.operation in NODES:
                NODES[part.operation](self, part)
            else:
                raise ExportError(
                    "ONNX needs nodes for every operation: register a function by "
                    "`keras_alt.engines.onnx_nodes.handles`, or export with `to_integers`. "
                    f"Received: operation={part.operation!r} of layer '{part.layer}'"
                )
        outputs = [
            helper.make_tensor_value_info(
                name, element_type(tensor.dtype), (self.batch, *tensor.shape[1:])
            )
            for name, tensor in zip(self.end(), self.reading.exit.outputs, strict=True)
        ]
        graph = helper.make_graph(
            self.nodes, program.name, inputs, outputs, initializer=self.initializers
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        return helper.make_model(
            graph, producer_name="keras_alt", opset_imports=opsets, ir_version=self.ir_version
        )

    def begin(self):
        """Add the float layers in front of the quantizers."""
        entry, sinks = self.reading.entry, [*self.program.inputs, *self.reading.passing]
        self.give(entry, [tensor.name for tensor in entry.inputs], sinks)

    def island(self, island: Island):
        """Add float layers between quantizers."""
        self.give(island.model, self.take(island.inputs), island.outputs)

    def take(self, sources: list[Source]) -> list[str]:
        """Return the names of float values, in Keras' order of axes."""
        return [
            self.last(self.value(source), self.rank(source))
            if isinstance(source, int)
            else self.floats[source]
            for source in sources
        ]

    def give(self, model, values: list[str], sinks: list[Source]):
        """Add a float model; bring its outputs onto the grids of positions, or keep what passes."""
        floats = self.applied(model, values)
        for tensor, sink in zip(model.outputs, sinks, strict=True):
            if isinstance(sink, int):
                value = self.first(floats.operand(tensor, "float32"), len(tensor.shape))
                self.held[sink] = self.store(value, sink)
            else:
                self.floats[sink] = floats.operand(tensor)

    def end(self) -> list[str]:
        """Add the float layers behind the quantizers; return the names of the outputs."""
        leave, results = self.reading.exit, self.reading.output_names
        floats = self.applied(leave, self.take(self.reading.exit_inputs))
        for name, tensor in zip(results, leave.outputs, strict=True):
            self.nodes.append(self.make("Identity", [floats.operand(tensor)], name))
        return results

    def applied(self, model, values: list[str]) -> FloatWriter:
        """Add the layers of a float model to these inputs; return the writer of its tensors."""
        names = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
        return self.float_layers(model, names)

    def float_layers(self, model, names) -> FloatWriter:
        """Add the layers of a float model; return the writer that knows its tensors.

        `names` maps tensor ids to names. It has the inputs and gets all other tensors.
        """
        floats = FloatWriter(self, names, model.inputs)
        floats.write(model)
        return floats

    def add(self, kind: str, inputs: list, name: str | None = None, **attributes) -> str:
        """Append a node; return the name of its only output."""
        name = name or self.fresh(kind, inputs)
        self.nodes.append(self.make(kind, inputs, name, **attributes))
        return name

    def fresh(self, kind: str, inputs: list) -> str:
        """Return a new name for a node. It begins with the name of the first input, if any."""
        beginning = inputs[0][:LONGEST] if inputs else kind
        return f"{beginning}/{kind}{len(self.nodes)}"

    def make(self, kind, inputs, name, domain="", **attributes):
        from onnx import helper

        return helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)

    def initializer(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def shared(self, name: str, value) -> str:
        """Add a constant unless one of that name exists; return its name."""
        if all(initializer.name != name for initializer in self.initializers):
            self.initializer(name, np.asarray(value))
        return name

    def integers(self, values) -> str:
        """Add a list of numbers, for shapes and axes."""
        name = f"integers{len(self.initializers)}"
        return self.initializer(name, np.array(values, np.int64).ravel())

    def axes(self, kind: str, axes) -> tuple[list, dict]:
        """Return the axes of a reduction as inputs and attributes of its node."""
        if self.opsets[""] < (13 if kind == "ReduceSum" else 18):
            return [], {"axes": axes}
        return [self.integers(axes)], {}

    def tensor(self, position) -> Tensor:
        return self.program.tensors[position]

    def name(self, position) -> str:
        return f"{self.tensor(position).name}:{position}"

    def first(self, name, rank, result=None):
        """Move the last axis of a tensor behind the batch; name the moved tensor `result`."""
        if rank < 3:
            return name
        return self.add("Transpose", [name], result, perm=[0, rank - 1, *range(1, rank - 1)])

    def last(self, name, rank):
        """Move the axis behind the batch to the end."""
        if rank < 3:
            return name
        return self.add("Transpose", [name], perm=[0, *range(2, rank), 1])

    def axis(self, axis, rank) -> int:
        """Return the ONNX position of an axis of the program's tensors."""
        axis %= rank
        if rank < 3 or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def rank(self, position) -> int:
        return len(self.tensor(position).shape) + 1

    def move(self, step: Step, kind: str, *constants, **attributes):
        """Append a node that only moves values, in the form in which they are held."""
        inputs = [self.at(p) for p in step.inputs]
        constants = [c if isinstance(c, str) else self.integers(c) for c in constants]
        self.held[step.output] = self.add(
            kind, [*inputs, *constants], self.name(step.output), **attributes
        )

    def at(self, position) -> str:
        """Return the name of a tensor that must lie on a grid."""
        if position not in self.held:
            raise ExportError(
                f"ONNX needs a quantizer behind '{self.tensor(position).name}'. Received: none."
            )
        return self.held[position]

    def store_sum(self, position: int):
        """Bring the float value of a position onto its grid."""
        self.held[position] = self.store(self.sums.pop(position), position)

    def compute(self, step: Step, kind: str, *more, **attributes):
        """Append a node that computes with float values; a quantizer must follow."""
        inputs = [self.value(p) for p in step.inputs]
        self.sums[step.output] = self.add(
            kind, [*inputs, *more], f"{self.name(step.output)}/{kind}", **attributes
        )


def _fusable_biases(program):
    """Return `{position: step}` for steps that add a bias directly to the sums at a position."""
    kernels = {s.output for s in program.steps if s.operation in ("convolve", "matrix_product")}
    biases = {s.inputs[0]: s for s in program.steps if s.operation == "add_constant"}
    return {
        position: step
        for position, step in biases.items()
        if position in kernels and not any(step.attributes["shifts"])
    }
