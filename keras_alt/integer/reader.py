"""Reading of a quantized Keras model into an integer program."""

from __future__ import annotations

from typing import Protocol

import keras
import numpy as np

from keras_alt.graph import Call, Graph, Replay, repeat
from keras_alt.handlers import Handlers
from keras_alt.integer.grids import grid
from keras_alt.integer.program import NotIntegerError, Program, Tensor
from keras_alt.integer.reading import Reading
from keras_alt.integer.variables import Variable
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import is_float_in, kind_of
from keras_alt.quantizer import Quantizer, quantizer_name, quantizers
from keras_alt.record import record_of


def read(model: keras.Model) -> Reading:
    """Read a quantized model into an integer program.

    The program leaves out the float layers in front of the first quantizers (Rescaling) and behind
    the last ones (softmax). `Reading.entry` and `Reading.exit` are models of them.

    Args:
        model: from `keras_alt.quantize_model`, or hand-written with `keras_alt.layers`; calibrated.

    Raises:
        NotIntegerError: names the layers that have no integer form.
    """
    if not quantizers(model):
        raise NotIntegerError(
            "An integer program is read from a quantized model, from `keras_alt.quantize_model` or "
            f"with `keras_alt.layers`. Received: model '{model.name}' without any quantizer."
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
        self.entry = set(self.graph.inputs)  # float tensors in front of the quantizers
        self.entries: list[keras.KerasTensor] = []  # those that the first quantizers take
        # Float tensors behind quantizers, with the names of the float layers on the way.
        self.behind: dict[keras.KerasTensor, list[str]] = {}

    def read(self) -> Reading:
        for call in self.graph.calls:
            self.visit(call)
        ends = list(dict.fromkeys(t for o in self.graph.outputs for t in self.ends(o)))
        for tensor in ends:
            self.require_integers(tensor)
        self.program.outputs = [self.positions[tensor] for tensor in ends]
        self.taps.update({tensor: self.positions[tensor] for tensor in ends})
        self.program.drop_unread_transposes()
        return Reading(
            self.program,
            self.target,
            entry=keras.Model(self.graph.inputs, self.entries),
            exit=self.behind_ends(ends),
            input_keys=_input_keys(self.graph.model),
            output_names=_unique(self.graph.model.output_names),
            taps=self.taps,
        )

    def behind_ends(self, ends: list[keras.KerasTensor]) -> keras.Model:
        """Return a model of the calls behind the last tensors on a grid."""
        inputs = {t: keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in ends}
        new = Replay(dict(inputs))
        for call in self.graph.calls:
            if call.outputs[0] in self.behind:
                new.record(call, repeat(call, new))
        return keras.Model(list(inputs.values()), [new(t) for t in self.graph.outputs])

    def visit(self, call: Call):
        """Write a call as steps, or note that it stays float."""
        handler, name = self.handler(call), call.layer.name
        first = call.inputs[0] if call.inputs else None
        if not isinstance(call.layer, Quantizer):
            for tensor in call.inputs:
                if tensor in self.positions:
                    self.require_integers(tensor)
        if handler is not None and first in self.positions:
            self.positions[call.outputs[0]] = handler(self, call).position
        elif isinstance(call.layer, Quantizer) and first in self.entry:
            self.positions[call.outputs[0]] = self.enter(call)
        elif any(t in self.positions or t in self.behind for t in call.inputs):
            self.leave(call)
        elif isinstance(call.layer, QuantizedKernel) and call.layer.is_quantized:
            raise NotIntegerError(
                f"Layer '{name}' expects a quantized input: call a `keras_alt.Quantizer`"
                "on it, as `quantize_model` does. Received: an input in floating point."
            )
        else:
            self.entry.update(call.outputs)

        if isinstance(call.layer, Quantizer) and call.outputs[0] in self.positions:
            self.taps[call.outputs[0]] = self.positions[call.outputs[0]]

    def handler(self, call: Call) -> Handler | None:
        """Return what writes a call as steps, None if nothing does."""
        return None if is_float_in(call, self.target) else HANDLERS.get(kind_of(call.layer))

    def enter(self, call: Call) -> int:
        """Take the quantizer that the integer program begins with."""
        self.entries.append(call.inputs[0])
        name, shape = quantizer_name(call.layer, call.layer), tuple(call.inputs[0].shape[1:])
        codes = grid(call.layer, call)
        position = self.program.add_tensor(
            Tensor(name, shape, codes.exponent, codes.low, codes.high, codes.format)
        )
        self.program.inputs.append(position)
        return position

    def leave(self, call: Call):
        """Note a float layer behind quantizers; nothing quantized may follow it."""
        name = call.layer.name
        names = {n: None for t in call.inputs for n in self.behind.get(t, ())}
        if isinstance(call.layer, (Quantizer, QuantizedKernel)):
            raise NotIntegerError(
                f"Between quantizers, '{name}' reads layers that stay float: "
                f"{', '.join(names) or 'an unquantized tensor'}. Integers need a model without; "
                "`keras_alt.report` gives the reason for each."
            )
        names[name] = None
        self.behind.update(dict.fromkeys(call.outputs, list(names)))

    def ends(self, tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Return the last tensors on a grid in front of an output."""
        if tensor in self.positions:
            return [tensor]
        if tensor not in self.graph.producer:
            raise NotIntegerError(
                f"Every path to an output must pass a quantizer. Received: one from input "
                f"'{tensor.name}' that passes none."
            )
        return [t for i in self.graph.producer[tensor].inputs for t in self.ends(i)]

    def require_integers(self, tensor: keras.KerasTensor):
        """Raise an error if a tensor is a sum that is not yet divided into an average."""
        sums = self.program.tensors[self.positions[tensor]]
        if np.any(sums.divisor != 1):
            raise NotIntegerError(
                f"The average '{sums.name}' expects a quantizer behind it. "
                "Received: a model without."
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
        The output of the call.

    Raises:
        NotIntegerError: the layer has no integer form as it is configured. The message names it.
    """

    def __call__(self, reader: Reader, call: Call) -> Variable: ...


HANDLERS = Handlers()  # a `Handler` for each kind of layer


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
    return reader.operand(call).requantize(grid(quantizer, call), name)


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
