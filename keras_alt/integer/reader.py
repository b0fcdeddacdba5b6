"""Reading of a quantized Keras model into an integer program."""

from __future__ import annotations

from typing import Protocol

import keras
import numpy as np

from keras_alt.activations import relu_max
from keras_alt.graph import Call, Graph, cut
from keras_alt.handlers import Handlers
from keras_alt.integer.caps import capped
from keras_alt.integer.constants import constant_operand
from keras_alt.integer.functions import looked_up
from keras_alt.integer.grids import grid
from keras_alt.integer.islands import FloatLayers
from keras_alt.integer.program import NotIntegerError, Program, Tensor
from keras_alt.integer.reading import Reading
from keras_alt.integer.variables import Variable
from keras_alt.layers import (
    CappedReLU,
    ConstantTensor,
    QuantFunction,
    QuantLeakyReLU,
    QuantPReLU,
)
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import OPERATORS, Grid, is_float_in, kind_of, operator_of
from keras_alt.precision import SHORT, is_mixed
from keras_alt.quantizer import Quantizer, quantizer_name, quantizers
from keras_alt.record import record_of

# Layers whose values are rounded by the quantizer behind them, in one step for both.
ROUNDED_BEHIND = {
    CappedReLU: capped,
    ConstantTensor: constant_operand,
    QuantFunction: looked_up,
}


def read(model: keras.Model) -> Reading:
    """Read a quantized model into an integer program.

    The program leaves out the float layers in front of the first quantizers (Rescaling), between
    quantizers (LSTM) and behind the last ones (softmax). `Reading.entry`, `Reading.islands` and
    `Reading.exit` have models of them.

    Args:
        model: from `keras_alt.quantize_model`, or hand-written with `keras_alt.layers`; calibrated.

    Raises:
        NotIntegerError: a layer that should compute in integers has no integer form as it is
            configured. The message names it.
    """
    if not quantizers(model):
        raise NotIntegerError(
            "An integer program is read from a quantized model, from `keras_alt.quantize_model` or "
            f"with `keras_alt.layers`. Received: model '{model.name}' without any quantizer."
        )
    if isinstance(model, keras.Sequential) and is_mixed(model):
        raise NotIntegerError(
            "Under a mixed policy, Keras rounds what a `keras.Sequential` is given to 16 bits: set "
            "`model.dtype_policy = 'float32'`; its layers keep theirs. "
            f"Received: dtype_policy={model.dtype_policy.name!r}, model '{model.name}'"
        )
    return Reader(model).read()


class Reader:
    """Follows the graph of a model, and knows which tensors lie on a grid.

    Handlers call `operand` and `operands` for the inputs of a call.
    """

    def __init__(self, model: keras.Model):
        self.graph = Graph(model)
        self.target = _target(self.graph)
        self.program = Program(model.name)
        self.positions: dict[keras.KerasTensor, int] = {}  # of tensors on a grid
        self.taps: dict[keras.KerasTensor, int] = {}
        self.floats = FloatLayers(self.graph)
        self.entries: list[keras.KerasTensor] = []  # floats that the first quantizers take
        self.roundings: list[str] = []  # by which they take them
        # Values of functions, arrays and caps, which wait for the quantizer behind them.
        self.waiting: dict[keras.KerasTensor, Call] = {}

    def read(self) -> Reading:
        for call in self.graph.calls:
            self.visit(call)
        self.require_quantizers()
        islands, ends = self.floats.islands(self.positions), self.floats.ends()
        ends = sorted(ends, key=lambda tensor: tensor not in self.positions)
        for tensor in ends:
            if tensor in self.positions:
                self.require_integers(tensor)
        sources = [source for island in islands for source in island.inputs]
        sources += [self.positions.get(tensor, tensor) for tensor in ends]
        passing = [t for t in dict.fromkeys(sources) if self.is_in_front(t)]
        self.program.outputs = [self.positions[t] for t in ends if t in self.positions]
        read = (t for call in self.floats.calls for t in call.inputs)
        self.taps.update({t: self.positions[t] for t in [*ends, *read] if t in self.positions})
        self.program.drop_unread_transposes(kept=set(self.taps.values()))
        return Reading(
            self.program,
            self.target,
            entry=keras.Model(self.graph.inputs, [*self.entries, *passing]),
            exit=cut(self.graph, ends, self.graph.outputs),
            exit_inputs=[self.positions.get(tensor, tensor) for tensor in ends],
            input_keys=_input_keys(self.graph.model),
            output_names=_unique(self.graph.model.output_names),
            taps=self.taps,
            islands=islands,
            passing=passing,
            roundings=self.roundings,
        )

    def visit(self, call: Call):
        """Write a call as steps, or note that it stays float."""
        handler, name = self.handler(call), call.layer.name
        first = call.inputs[0] if call.inputs else None
        is_quantizer, waits = isinstance(call.layer, Quantizer), self.waits(call)
        reads_float = any(tensor in self.floats.tensors for tensor in call.inputs)
        if not is_quantizer:
            self.require_quantizer(call)
            for tensor in call.inputs:
                # A quantizer divides averages, also if it waits behind a capped ReLU.
                if tensor in self.positions and not (waits and type(call.layer) is CappedReLU):
                    self.require_integers(tensor)
        self.floats.deepen(call, enters=is_quantizer and reads_float)
        if waits:
            self.waiting[call.outputs[0]] = call
        elif is_quantizer and first in self.waiting:
            waiting = self.waiting[first]
            rounded = ROUNDED_BEHIND[type(waiting.layer)](self.operand(waiting), waiting, call)
            self.positions[call.outputs[0]] = rounded.position
        elif is_quantizer and reads_float:
            self.positions[call.outputs[0]] = self.enter(call)
        elif handler is not None and first in self.positions and not reads_float:
            self.require_float32(call)
            variables = keras.tree.flatten(handler(self, call))
            # A quantizer may have a second output, its exponent, which no step computes.
            for tensor, variable in zip(call.outputs, variables, strict=False):
                self.positions[tensor] = variable.position
        elif isinstance(call.layer, QuantizedKernel) and call.layer.is_quantized:
            raise NotIntegerError(
                f"Layer '{name}' expects a quantized input: call a `keras_alt.Quantizer`"
                "on it, as `quantize_model` does. Received: an input in floating point."
            )
        else:
            self.floats.add(call)

        if is_quantizer and call.outputs[0] in self.positions and not self.is_constant(first):
            self.taps[call.outputs[0]] = self.positions[call.outputs[0]]

    def waits(self, call: Call) -> bool:
        """Return whether the values of a call wait for the quantizer behind it.

        A capped ReLU or an array that other layers read is a float layer.
        """
        if not call.inputs or call.inputs[0] not in self.positions:
            return False
        has_a_float_form = type(call.layer) in (CappedReLU, ConstantTensor)
        is_rounded = _all_quantizers(self.graph, call)
        return isinstance(call.layer, tuple(ROUNDED_BEHIND)) and (
            is_rounded or not has_a_float_form
        )

    def is_constant(self, tensor: keras.KerasTensor) -> bool:
        """Return whether a tensor is an array, which no engine computes."""
        return tensor in self.waiting and isinstance(self.waiting[tensor].layer, ConstantTensor)

    def handler(self, call: Call) -> Handler | None:
        """Return what writes a call as steps, None if nothing does."""
        return handler_of(self.graph, call, self.target)

    def enter(self, call: Call) -> int:
        """Take a quantizer that integers begin with."""
        value = call.inputs[0]
        name, shape = quantizer_name(call.layer, call.layer), tuple(value.shape[1:])
        codes = grid(call.layer, call)
        position = self.program.add_tensor(
            Tensor(name, shape, codes.exponent, codes.low, codes.high, codes.format)
        )
        if self.is_in_front(value):
            self.entries.append(value)
            self.roundings.append(codes.rounding)
            self.program.inputs.append(position)
        else:
            self.floats.entered.append((value, position))
        return position

    def is_in_front(self, source) -> bool:
        """Return whether this is a float tensor with no quantizer on any path to it."""
        return source in self.floats.tensors and self.floats.depths[source] == 0

    def require_quantizers(self):
        """Raise an error if an output of the model follows from no quantizer."""
        for tensor in self.graph.outputs:
            if self.is_in_front(tensor):
                raise NotIntegerError(
                    "The path to an output must pass a quantizer. "
                    f"Received: output '{tensor.name}', which passes none."
                )

    def require_quantizer(self, call: Call):
        """Raise an error if `call` reads the value of a function, which no quantizer rounds."""
        names = [self.waiting[t].layer.name for t in call.inputs if t in self.waiting]
        if names:
            raise NotIntegerError(
                f"Layer '{names[0]}' expects a quantizer behind it. "
                f"Received: layer '{call.layer.name}'"
            )

    def require_integers(self, tensor: keras.KerasTensor):
        """Raise an error if a tensor is a sum that is not yet divided into an average."""
        sums = self.program.tensors[self.positions[tensor]]
        if np.any(sums.divisor != 1):
            raise NotIntegerError(
                f"The average '{sums.name}' expects a quantizer behind it. "
                "Received: a model without."
            )

    def require_float32(self, call: Call):
        """Raise an error if a layer that computes with codes rounds them to 16 bits."""
        dtype = getattr(call.layer, "compute_dtype", call.outputs[0].dtype)
        if dtype in SHORT:
            raise NotIntegerError(
                "Layers between quantizers compute in float32, which holds sums of codes exactly: "
                "give the layer `dtype='float32'`, or set `layer.dtype_policy = 'float32'`. "
                f"Received: dtype={dtype!r}, layer '{call.layer.name}'"
            )

    def operand(self, call: Call) -> Variable:
        """Return the first input of `call`, which lies on a grid.

        A layer with a kernel may have a second input, the exponent of the first.
        """
        return self.variable(call.inputs[0], call)

    def operands(self, call: Call) -> list[Variable]:
        """Return all inputs of `call`, which must lie on a grid."""
        missing = [t for t in call.inputs if t not in self.positions]
        if missing:
            raise NotIntegerError(
                f"Layer '{call.layer.name}' expects quantized inputs only. "
                f"Received: {len(missing)} of {len(call.inputs)} in floating point."
            )
        return [self.variable(t, call) for t in call.inputs]

    def variable(self, tensor: keras.KerasTensor, call: Call) -> Variable:
        """Return a tensor as an operand of the steps of `call`."""
        return Variable(self.program, self.positions[tensor], call.layer.name)


class Handler(Protocol):
    """Writes one call of a layer as integer operations.

    The operators of `Variable` append the steps. `call.layer` is the layer with its weights.

    Returns:
        The output of the call, or a list of its outputs.

    Raises:
        NotIntegerError: the layer has no integer form as it is configured. The message names it.
    """

    def __call__(self, reader: Reader, call: Call) -> Variable | list[Variable]: ...


HANDLERS = Handlers()  # a `Handler` for each kind of layer


def handler_of(graph: Graph, call: Call, target: str) -> Handler | None:
    """Return what writes a call as steps for `target`, None if nothing does."""
    operator, kind = operator_of(call), kind_of(call.layer)
    if is_float_in(call, target) or (operator is None and kind in OPERATORS):
        return None  # the layer has no form as it is configured
    computes = operator is not None and (operator.inner or operator.grid is Grid.COMBINED)
    if computes and not _is_rounded(graph, call):
        return None  # nothing brings the result onto a grid: it is used as a float
    if kind is keras.layers.Activation and relu_max(call.layer) is None:
        return None  # a function has steps as a `QuantFunction` only
    return HANDLERS.get(kind)


def _is_rounded(graph, call):
    """Return whether a quantizer takes the output of a call, directly or behind a ReLU."""
    readers = [reader.layer for reader in graph.readers[call.outputs[0]]]
    takers = (Quantizer, QuantLeakyReLU, QuantPReLU, CappedReLU, keras.layers.ReLU)
    return bool(readers) and all(isinstance(x, takers) or relu_max(x) is not None for x in readers)


def _all_quantizers(graph, call):
    """Return whether quantizers take the output of a call, and nothing else does."""
    tensor = call.outputs[0]
    readers = [reader.layer for reader in graph.readers[tensor]]
    is_output = any(tensor is output for output in graph.outputs)
    return bool(readers) and not is_output and all(isinstance(x, Quantizer) for x in readers)


def handles(*kinds: type | str):
    """Return a decorator that enters a `Handler` for kinds of layers.

    Args:
        *kinds: types of layers, without their subclasses, or class names of Keras' operators:
            `keras.ops.max` is the operator "Max" in a functional model, for instance.
    """
    return HANDLERS.handles(*kinds)


@handles(Quantizer)
def _quantizer(reader: Reader, call: Call) -> Variable:
    quantizer = call.layer
    name = quantizer_name(quantizer, quantizer)
    x = reader.operand(call)
    return x.requantize(grid(quantizer, call, x.tensor), name)


def _unique(names: list[str]) -> list[str]:
    """Return names with a number where they repeat: one layer may give several outputs."""
    return [f"{n}_{i}" if names.count(n) > 1 else n for i, n in enumerate(names)]


def _input_keys(model: keras.Model) -> list[str]:
    """Return what the inputs are called in a dictionary, in the order of the model's inputs."""
    structure = model.input
    return sorted(structure) if isinstance(structure, dict) else [t.name for t in model.inputs]


def _target(graph: Graph) -> str:
    names = {c.layer.target for c in graph.calls if isinstance(c.layer, QuantizedKernel)}
    if len(names) > 1:
        raise NotIntegerError(f"All layers must have one target. Received: {sorted(names)}")
    if names:
        return names.pop()
    record = record_of(graph.model)  # a model without kernels
    return "paper" if record is None else record.config.target
