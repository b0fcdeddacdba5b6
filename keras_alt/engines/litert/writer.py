"""Writes an integer program as the operators of a LiteRT file."""

from dataclasses import replace

import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_engine
from keras_alt.engines.litert.boundary import typed_inputs, typed_outputs
from keras_alt.engines.litert.flatbuffer import LiteRTFile
from keras_alt.engines.litert.float_layers import float_part, input_type
from keras_alt.engines.litert.operator import Operator
from keras_alt.engines.litert.operators import OPERATORS
from keras_alt.engines.litert.rules import RULES
from keras_alt.engines.litert.single_rounding import factors
from keras_alt.engines.litert.stored import zero_point
from keras_alt.formats import FixedPoint
from keras_alt.integer import Island, Source

STORED = (FixedPoint(8), FixedPoint(8, signed=False))
FUSING = (  # these operators can clip their results
    "ADD",
    "SUB",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "AVERAGE_POOL_2D",
)


class Writer:
    """Writes the steps of a program.

    Args:
        reading: from `keras_alt.integer.read`.
        inputs, outputs: types of the inputs and outputs of the file, as in `to_litert`.

    Attributes:
        file: the `LiteRTFile` being built.
        rules: of the engines that run the file.
        stored: `{position: index of its tensor in the file}`.
        exponents: `{name: log2 of the scale}` of each tensor with a scale, an array if each channel
            has its own.
        factors: `{name: factor of that scale}`, for the kernels of `single_rounding`.
        kernels: `{index of a kernel in the file: (its codes, the axis of its output channels)}`.
        pending: `{position: Operator that computes it}` for positions that are not stored yet. An
            operator is written once the quantizer behind it defines how the result is stored.
        floats: `{float tensor of the Keras model: its index}` for floats that pass by integers.
    """

    def __init__(self, reading, inputs=None, outputs=None):
        self.types = inputs, outputs
        self.reading, self.program = reading, reading.program
        self.rules = RULES[fitting_engine(reading, *RULES)]
        self.file = LiteRTFile(self.program.name)
        self.stored, self.exponents = {}, {}
        self.factors, self.kernels = {}, {}
        self.pending = {}
        self.floats = {}

    def written(self) -> bytes:
        inputs = typed_inputs(self, self.begin(), self.types[0])
        for part in self.reading.sequence():
            if isinstance(part, Island):
                self.island(part)
            elif part.operation in OPERATORS:
                OPERATORS[part.operation](self, part)
            else:
                raise ExportError(f"LiteRT has no integer operator for layer '{part.layer}'.")
        return self.file.finish(inputs, typed_outputs(self, self.end(), self.types[1]))

    def begin(self):
        """Add the inputs and the layers in front of the quantizers; return names and indices."""
        program, entry = self.program, self.reading.entry
        if not self.reading.entry_layers:
            for position in program.inputs:
                self.store(position)
            order = [self._index(entry.outputs, tensor) for tensor in entry.inputs]
            stored = [self.stored[program.inputs[i]] for i in order]
            return dict(zip([t.name for t in entry.inputs], stored, strict=True))
        inputs = {
            t.name: self.file.tensor(t.name, t.shape[1:], input_type(t)) for t in entry.inputs
        }
        sinks = [*program.inputs, *self.reading.passing]
        self.give(self.file.splice(float_part(entry), list(inputs.values())), sinks)
        return inputs

    def island(self, island: Island):
        """Add float layers between quantizers."""
        values = self.file.splice(float_part(island.model), self.take(island.inputs))
        self.give(values, island.outputs)

    def take(self, sources: list[Source]) -> list[int]:
        """Return the indices of float tensors with the values of positions, or of what passes."""
        indices = []
        for source in sources:
            if isinstance(source, int):
                tensor = self.program.tensors[source]
                name = f"{self.name(source)}/float{len(self.file.graph.tensors)}"
                indices.append(self.file.tensor(name, tensor.shape, "float32"))
                self.file.operator("DEQUANTIZE", [self.at(source)], [indices[-1]])
            else:
                indices.append(self.floats[source])
        return indices

    def give(self, values: list[int], sinks: list[Source]):
        """Quantize float tensors to their positions, or keep what passes."""
        for value, sink in zip(values, sinks, strict=True):
            if isinstance(sink, int):
                self.file.operator("QUANTIZE", [value], [self.store(sink)])
            else:
                self.floats[sink] = value

    def end(self):
        """Add the layers behind the quantizers; return names and indices of the outputs."""
        leave, sources, names = (
            self.reading.exit,
            self.reading.exit_inputs,
            self.reading.output_names,
        )
        if not self.reading.exit_layers:
            ends = [self.at(s) if isinstance(s, int) else self.floats[s] for s in sources]
            order = [self._index(leave.inputs, tensor) for tensor in leave.outputs]
            return dict(zip(names, [ends[i] for i in order], strict=True))
        values = self.file.splice(float_part(leave), self.take(sources))
        return dict(zip(names, values, strict=True))

    @staticmethod
    def _index(tensors, tensor):
        found = [i for i, t in enumerate(tensors) if t is tensor]
        if len(found) != 1 or len({id(t) for t in tensors}) < len(tensors):
            raise ExportError(
                "LiteRT needs one quantizer for each input and each output of the model. "
                f"Received: {len(found)} for '{tensor.name}'"
            )
        return found[0]

    def name(self, position) -> str:
        """Return the name for the tensor at a position."""
        return f"{self.program.tensors[position].name}:{position}"

    def names(self) -> dict[int, str]:
        """Return `{position: name of its tensor}` for every stored position."""
        return {p: self.file.graph.tensors[index].name for p, index in self.stored.items()}

    def store(self, position, shape=None) -> int:
        """Add the tensor at a position to the file."""
        tensor = self.program.tensors[position]
        index = self.add(tensor, self.name(position), shape)
        self.stored[position] = index
        return index

    def add(self, tensor, name, shape=None) -> int:
        if tensor.format not in STORED:
            raise ExportError(
                f"LiteRT stores 8 bits of every tensor. Received: '{tensor.name}' "
                f"{'without a quantizer' if tensor.format is None else f'as {tensor.format}'}"
            )
        shape = tensor.shape if shape is None else shape
        self.exponents[name] = tensor.exponent
        return self.file.tensor(
            name, shape, scale=2.0**tensor.exponent, zero_point=zero_point(tensor)
        )

    def constant(self, name, codes, exponent, zero=0) -> int:
        """Add a quantized constant to the file."""
        self.exponents[name] = exponent
        return self.file.constant(name, codes, scale=2.0**exponent, zero_point=zero)

    def channels(self, name, codes, exponents, axis=0) -> int:
        """Add a constant of which each channel, along an axis, has an exponent of its own."""
        self.exponents[name] = exponents
        return self.file.constant(name, codes, scale=2.0**exponents, channel_axis=axis)

    def at(self, position) -> int:
        """Return the index of a stored tensor."""
        if position not in self.stored:
            tensor = self.program.tensors[position]
            raise ExportError(f"LiteRT needs a quantizer behind '{tensor.name}'. Received: none.")
        return self.stored[position]

    def values(self, name, values) -> int:
        """Add a list of whole numbers to the file."""
        if None in np.array(values, object):
            raise ExportError(
                "LiteRT stores the sizes of some operators, which then cannot stay open: give "
                f"`to_litert` an `input_shape`. Received: {tuple(values)} for '{name}'"
            )
        return self.file.constant(name, np.array(values, np.int32))

    def move(self, step, code, *constants, **options):
        """Append an operator that only moves codes."""
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
        """Reshape the codes at `index`, which lie on the grid of the tensor at `position`."""
        tensor = self.program.tensors[position]
        name = f"{self.name(position)}/{len(self.file.graph.tensors)}"
        result = self.add(tensor, name, shape)
        target = self.values(f"{name}/shape", (-1, *shape))
        self.file.operator("RESHAPE", [index, target], [result])
        return result

    def padded(self, position, padding, shape) -> int:
        """Pad the tensor at a position with zeros where LiteRT's own two padding rules do not."""
        if not padding:
            return self.at(position)
        tensor = self.program.tensors[position]
        name = f"{self.name(position)}/{len(self.file.graph.tensors)}"
        result = self.add(tensor, name, shape)
        cells = self.values(f"{name}/padding", [(0, 0), *padding])
        self.file.operator("PAD", [self.at(position), cells], [result])
        return result

    def padding(self, same):
        schema = self.file.schema.Padding
        return schema.SAME if same else schema.VALID

    def kernel(self, step, codes, shifts=None, axis=0) -> int:
        """Add a kernel in LiteRT's order of axes.

        Args:
            step: of the product.
            codes: of the kernel.
            shifts: that of each output channel, or None; see `Operator`.
            axis: that of the output channels.
        """
        kernel = step.attributes["kernel"]
        if kernel.format.bits > 8 or kernel.format.qmin < -127:
            raise ExportError(
                f"LiteRT stores weights in [-127, 127]. Received: the kernel of '{step.layer}' as "
                f"{kernel.format}"
            )
        name = f"{step.layer}/kernel{step.output}"
        if shifts is None:
            index = self.constant(name, codes.astype(np.int8), kernel.exponent)
        else:
            index = self.channels(name, codes.astype(np.int8), kernel.exponent + shifts, axis)
        self.kernels[index] = codes, axis
        return index

    def biased(self, operator, step, sums) -> Operator:
        """Return a kernel's operator with its bias, or with zeros, because LiteRT needs a bias."""
        if step.attributes["rounding"] == "half_even" and operator.bias is not None:
            self.round_once(operator, step.attributes["shift"])
        bias = operator.bias if operator.bias is not None else np.zeros(operator.shape[-1])
        name = f"{operator.layer}/bias{step.output}"
        bias = bias.astype(np.int32)
        if operator.shifts is None:
            index = self.constant(name, bias, sums.exponent)
        else:
            index = self.channels(name, bias, sums.exponent + operator.shifts)
        return replace(operator, inputs=[*operator.inputs, index], bias=None)

    def round_once(self, operator, shift):
        """Lower scales of a kernel by a digit where engines that round twice then round once."""
        (index,) = self.kernels.keys() & set(operator.inputs)
        shifts = shift - (0 if operator.shifts is None else operator.shifts)
        scales = factors(*self.kernels[index], operator.bias, shifts)
        if operator.shifts is None:
            scales = scales[:1]
        tensor = self.file.graph.tensors[index]
        tensor.quantization.scale *= scales.astype(np.float32)
        self.factors[tensor.name] = scales

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
            target = self.values(f"{self.name(position)}/shape", (-1, *tensor.shape))
            stages.append(("RESHAPE", [target], {}))
        before = [] if operator.code is not None else operator.inputs
        if not stages:
            (self.stored[position],) = before
        for number, (code, inputs, options) in enumerate(stages, start=1):
            name = f"{self.name(position)}/{code}"
            last = number == len(stages)
            result = self.store(position) if last else self.add(tensor, name, operator.shape)
            self.file.operator(code, [*before, *inputs], [result], **options)
            before = [result]

    def clip(self, operator, tensor) -> tuple:
        """Return the lowest and highest code of a result, or None where the format limits it."""
        format = tensor.format
        low, high = tensor.low, tensor.high
        least, most = operator.bounds
        if least is not None:
            low = max(low, int(np.rint(least * 2.0**-tensor.exponent)))
        if most is not None:
            high = min(high, int(np.rint(most * 2.0**-tensor.exponent)))
        return low if low > format.qmin else None, high if high < format.qmax else None

    def bound(self, tensor, position, code, bound) -> int:
        zero = zero_point(tensor)
        name = f"{self.name(position)}/{code}/bound"
        return self.constant(name, np.array(bound + zero, np.int8), tensor.exponent, zero)


def fused(low, high, tensor) -> tuple:
    """Return the activation that an operator can apply itself, and the remaining bounds."""
    not_negative = low == 0 or (low is None and not tensor.format.signed)
    if not_negative and high == int(np.rint(6 * 2.0**-tensor.exponent)):
        return "RELU6", None, None
    if low == 0 and high is None:
        return "RELU", None, None
    return "NONE", low, high
