"""Export to LiteRT (TensorFlow Lite), full INT8.

The integer program is written operator by operator, so that the file holds the trained scales and
nothing else. Float layers in front and behind go through TensorFlow's own converter.
"""

import os
from dataclasses import replace

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.litert.flatbuffer import LiteRTFile
from keras_alt.engines.litert.float_layers import float_part, input_type, input_types
from keras_alt.engines.litert.operators import HANDLERS, Operator
from keras_alt.files import written_whole
from keras_alt.formats import FixedPoint
from keras_alt.integer import Program

STORED = (FixedPoint(8), FixedPoint(8, signed=False))
FUSING = (  # operators that clip their results themselves
    "ADD",
    "SUB",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "AVERAGE_POOL_2D",
)


def to_litert(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as a LiteRT file of 8-bit integers.

    No representative data is needed: the ranges are those that were trained. Weights of fewer bits
    are stored in 8. Inputs and outputs of the file are the codes of the model's first and last
    quantizers, minus 128 where a quantizer is unsigned; they are float where float layers stand in
    front of, or behind, the quantizers.

    Args:
        model: quantized with target "litert", calibrated.
        path: of the file to write, `*.tflite` by custom.

    Returns:
        The path.

    Raises:
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("ai_edge_litert", "litert")
    data = converted(fitting_program(model, "litert"))
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
    return os.fspath(path)


def converted(program: Program) -> bytes:
    """Return the contents of the file, which loads and has the trained scales."""
    writer = _Writer(program)
    data = writer.written()
    _require_loading(data, program.entry.inputs)
    check_scales(data, writer.exponents)
    return data


def check_scales(data: bytes, exponents: dict[str, int]):
    """Read a file back; the scale of every integer tensor must be the trained power of two.

    Args:
        exponents: log2 of the trained scales of activations, kernels and biases by name.
    """
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=data).get_tensor_details()
    scales = {d["name"]: d["quantization_parameters"]["scales"].tolist() for d in details}
    for name, exponent in exponents.items():
        if scales.get(name) != [2.0**exponent]:
            raise ExportError(
                f"The scale of '{name}' must be 2**{exponent} in the file. "
                f"Received: {scales.get(name)}"
            )


def _require_loading(data, inputs):
    """LiteRT looks at the types of tensors only when it prepares the operators."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        Interpreter(model_content=data).allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            "LiteRT must be able to load the file: give the model inputs of float32 or int32, or "
            "apply its float layers outside of it. "
            f"Received: inputs {input_types(inputs)}, of which LiteRT says: {error}"
        ) from error


class _Writer:
    """Writes the steps of a program.

    Attributes:
        stored: index in the file of the tensor at each position.
        exponents: log2 of the scale of each tensor that has one, by name.
    """

    def __init__(self, program):
        self.program = program
        self.file = LiteRTFile(program.name)
        self.stored, self.exponents = {}, {}
        self.pending = {}

    def written(self) -> bytes:
        inputs = self.begin()
        for step in self.program.steps:
            if step.operation not in HANDLERS:
                raise ExportError(f"LiteRT has no integer operator for layer '{step.layer}'.")
            HANDLERS[step.operation](self, step)
        return self.file.finish(inputs, self.end())

    def begin(self):
        """Add the inputs and the layers in front of the quantizers; return names and indices."""
        program, entry = self.program, self.program.entry
        for tensor in entry.inputs:
            _require_size(tensor)
        if not program.entry_layers:
            for position in program.inputs:
                self.store(position)
            order = [self._index(entry.outputs, tensor) for tensor in entry.inputs]
            stored = [self.stored[program.inputs[i]] for i in order]
            return dict(zip([t.name for t in entry.inputs], stored, strict=True))
        inputs = {
            t.name: self.file.tensor(t.name, t.shape[1:], input_type(t)) for t in entry.inputs
        }
        values = self.file.splice(float_part(entry), list(inputs.values()))
        for position, value in zip(program.inputs, values, strict=True):
            self.file.operator("QUANTIZE", [value], [self.store(position)])
        return inputs

    def end(self):
        """Add the layers behind the quantizers; return names and indices of the outputs."""
        program, leave = self.program, self.program.exit
        ends = [self.at(position) for position in program.outputs]
        names = program.output_names
        if not program.exit_layers:
            order = [self._index(leave.inputs, tensor) for tensor in leave.outputs]
            return dict(zip(names, [ends[i] for i in order], strict=True))
        values = []
        for position, index in zip(program.outputs, ends, strict=True):
            shape = program.tensors[position].shape
            values.append(self.file.tensor(f"output{position}/float", shape, "float32"))
            self.file.operator("DEQUANTIZE", [index], [values[-1]])
        return dict(zip(names, self.file.splice(float_part(leave), values), strict=True))

    @staticmethod
    def _index(tensors, tensor):
        found = [i for i, t in enumerate(tensors) if t is tensor]
        if len(found) != 1 or len({id(t) for t in tensors}) < len(tensors):
            raise ExportError(
                "LiteRT needs one quantizer for each input and each output of the model. "
                f"Received: {len(found)} for '{tensor.name}'"
            )
        return found[0]

    def store(self, position, shape=None) -> int:
        """Add the tensor at a position to the file."""
        tensor = self.program.tensors[position]
        index = self.add(tensor, f"{tensor.name}:{position}", shape)
        self.stored[position] = index
        return index

    def add(self, tensor, name, shape=None) -> int:
        if tensor.format not in STORED:
            raise ExportError(
                f"LiteRT stores 8 bits of every tensor. Received: '{tensor.name}' "
                f"{'without a quantizer' if tensor.format is None else f'as {tensor.format}'}"
            )
        zero_point = 0 if tensor.format.signed else -128
        shape = tensor.shape if shape is None else shape
        self.exponents[name] = tensor.exponent
        return self.file.tensor(name, shape, "int8", 2.0**tensor.exponent, zero_point)

    def constant(self, name, codes, exponent, zero_point=0) -> int:
        """Add a quantized constant to the file."""
        self.exponents[name] = exponent
        return self.file.constant(name, codes, 2.0**exponent, zero_point)

    def at(self, position) -> int:
        """Return the index of a stored tensor."""
        if position not in self.stored:
            tensor = self.program.tensors[position]
            raise ExportError(f"LiteRT needs a quantizer behind '{tensor.name}'. Received: none.")
        return self.stored[position]

    def values(self, name, values) -> int:
        return self.file.constant(name, np.array(values, np.int32))

    def move(self, step, code, *constants, **options):
        """Append an operator whose results are values of its inputs."""
        inputs = [self.at(p) for p in step.inputs]
        kinds = {(t.exponent, t.format) for t in map(self.program.tensors.__getitem__, step.inputs)}
        if len(kinds) > 1:
            raise ExportError(
                f"LiteRT needs one scale and one sign for all operands of '{step.layer}'. "
                f"Received: {len(kinds)} different ones."
            )
        constants = [self.values(f"{step.layer}/{code}{step.output}", c) for c in constants]
        self.file.operator(code, [*inputs, *constants], [self.store(step.output)], **options)

    def awaited(self, step) -> Operator:
        """Return the pending operator that `step` continues."""
        if step.inputs[0] not in self.pending:
            tensor = self.program.tensors[step.inputs[0]]
            raise ExportError(
                f"LiteRT adds a bias to the sums of a kernel. Received: one behind '{tensor.name}'"
            )
        return self.pending[step.inputs[0]]

    def reshaped(self, index, position, shape) -> int:
        """Return the codes at `index`, on the grid of the tensor at `position`, in a shape."""
        tensor = self.program.tensors[position]
        name = f"{tensor.name}:{position}/{len(self.file.graph.tensors)}"
        result = self.add(tensor, name, shape)
        target = self.values(f"{name}/shape", (-1, *shape))
        self.file.operator("RESHAPE", [index, target], [result])
        return result

    def padded(self, position, padding, shape) -> int:
        """Return the tensor at a position with zeros around: LiteRT pads by its two rules only."""
        if not padding:
            return self.at(position)
        tensor = self.program.tensors[position]
        name = f"{tensor.name}:{position}/{len(self.file.graph.tensors)}"
        result = self.add(tensor, name, shape)
        cells = self.values(f"{name}/padding", [(0, 0), *padding])
        self.file.operator("PAD", [self.at(position), cells], [result])
        return result

    def padding(self, same):
        schema = self.file.schema.Padding
        return schema.SAME if same else schema.VALID

    def kernel(self, step, codes) -> int:
        """Add a kernel in LiteRT's order of axes."""
        kernel = step.attributes["kernel"]
        if kernel.format.bits > 8 or kernel.format.qmin < -127:
            raise ExportError(
                f"LiteRT stores weights in [-127, 127]. Received: the kernel of '{step.layer}' as "
                f"{kernel.format}"
            )
        name = f"{step.layer}/kernel{step.output}"
        return self.constant(name, codes.astype(np.int8), kernel.exponent)

    def biased(self, operator, step, sums) -> Operator:
        """Return a kernel's operator with its bias, which LiteRT expects even if there is none."""
        bias = operator.bias if operator.bias is not None else np.zeros(operator.shape[-1])
        name = f"{sums.name.rpartition('/')[0]}/bias{step.output}"  # of '<layer>/sum'
        index = self.constant(name, bias.astype(np.int32), sums.exponent)
        return replace(operator, inputs=[*operator.inputs, index], bias=None)

    def finish(self, operator: Operator, position):
        """Write an operator whose result is the tensor at `position`."""
        tensor = self.program.tensors[position]
        low, high = self.clip(operator, tensor)
        options, stages = dict(operator.options), []
        if operator.code in FUSING:
            activation, low, high = fused(low, high, tensor)
            schema = self.file.schema.ActivationFunctionType
            options["fusedActivationFunction"] = getattr(schema, activation)
        if operator.code is not None:
            stages.append((operator.code, operator.inputs, options))
        for code, bound in (("MAXIMUM", low), ("MINIMUM", high)):
            if bound is not None:
                stages.append((code, [self.bound(tensor, position, code, bound)], {}))
        if operator.shape != tensor.shape:
            target = self.values(f"{tensor.name}:{position}/shape", (-1, *tensor.shape))
            stages.append(("RESHAPE", [target], {}))
        before = [] if operator.code is not None else operator.inputs
        if not stages:
            (self.stored[position],) = before
        for number, (code, inputs, options) in enumerate(stages, start=1):
            name = f"{tensor.name}:{position}/{code}"
            last = number == len(stages)
            result = self.store(position) if last else self.add(tensor, name, operator.shape)
            self.file.operator(code, [*before, *inputs], [result], **options)
            before = [result]

    def clip(self, operator, tensor) -> tuple:
        """Return the lowest and highest code of a result where they are not the format's own."""
        format = tensor.format
        low, high = tensor.low, tensor.high
        least, most = operator.bounds
        if least is not None:
            low = max(low, int(np.rint(least * 2.0**-tensor.exponent)))
        if most is not None:
            high = min(high, int(np.rint(most * 2.0**-tensor.exponent)))
        return low if low > format.qmin else None, high if high < format.qmax else None

    def bound(self, tensor, position, code, bound) -> int:
        stored = np.array(bound + (0 if tensor.format.signed else -128), np.int8)
        name = f"{tensor.name}:{position}/{code}/bound"
        zero_point = 0 if tensor.format.signed else -128
        return self.constant(name, stored, tensor.exponent, zero_point)


def _require_size(tensor):
    if None in tensor.shape[1:]:
        raise ExportError(
            "LiteRT needs inputs of known size: build the model with a fixed input shape. "
            f"Received: '{tensor.name}' of shape={tensor.shape[1:]}"
        )


def fused(low, high, tensor) -> tuple:
    """Return the activation that an operator itself can apply, and the bounds that remain."""
    not_negative = low == 0 or (low is None and not tensor.format.signed)
    if not_negative and high == int(np.rint(6 * 2.0**-tensor.exponent)):
        return "RELU6", None, None
    if low == 0 and high is None:
        return "RELU", None, None
    return "NONE", low, high
