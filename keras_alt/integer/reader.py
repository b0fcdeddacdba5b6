"""Reading of a quantized Keras model into an integer program."""

import math

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, Replay, repeat
from keras_alt.handlers import Handlers
from keras_alt.integer.program import Constant, NotIntegerError, Program, Tensor
from keras_alt.integer.reading import Reading
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.numerics.rounding import ROUNDINGS
from keras_alt.quantizer import RELU_MAX, Quantizer, quantizer_name, quantizers
from keras_alt.roles import is_operator


def read(model: keras.Model) -> Reading:
    """Read a quantized model into an integer program.

    Float layers in front of the first quantizers (Rescaling) and behind the last ones (softmax) are
    no part of it: `Reading.entry` and `Reading.exit` are models of them.

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
    return _Reader(model).read()


class _Reader:
    """Follows the graph; knows which tensors lie on which grid."""

    def __init__(self, model):
        self.graph = Graph(model)
        self.program = Program(model.name)
        self.positions = {}  # of tensors on a grid
        self.taps = {}
        self.entry = set(self.graph.inputs)  # float tensors in front of the quantizers
        self.behind = {}  # float tensors behind quantizers: the float layers on the way
        self.entries = []

    def read(self) -> Reading:
        target = _target(self.graph)
        for call in self.graph.calls:
            self.visit(call)
        ends = list(dict.fromkeys(t for o in self.graph.outputs for t in self.ends(o)))
        for tensor in ends:
            self.require_integers(self.tensor(self.positions[tensor]))
        self.program.outputs = [self.positions[tensor] for tensor in ends]
        self.taps.update({tensor: self.positions[tensor] for tensor in ends})
        return Reading(
            self.program,
            target,
            entry=keras.Model(self.graph.inputs, self.entries),
            exit=self.behind_ends(ends),
            input_keys=_input_keys(self.graph.model),
            output_names=_unique(self.graph.model.output_names),
            taps=self.taps,
        )

    def behind_ends(self, ends):
        """Return a model of the calls behind the last tensors on a grid."""
        inputs = {t: keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in ends}
        new = Replay(dict(inputs))
        for call in self.graph.calls:
            if call.outputs[0] in self.behind:
                new.record(call, repeat(call, new))
        return keras.Model(list(inputs.values()), [new(t) for t in self.graph.outputs])

    def visit(self, call: Call):
        handler = self.handler(call)
        first = call.inputs[0] if call.inputs else None
        if not isinstance(call.layer, Quantizer):
            for tensor in call.inputs:
                if tensor in self.positions:
                    self.require_integers(self.tensor(self.positions[tensor]))
        if handler is not None and first in self.positions:
            self.positions[call.outputs[0]] = handler(self, call)
        elif isinstance(call.layer, Quantizer) and first in self.entry:
            self.positions[call.outputs[0]] = self.enter(call)
        elif any(t in self.positions or t in self.behind for t in call.inputs):
            self.leave(call)
        elif isinstance(call.layer, QuantizedKernel) and call.layer.is_quantized:
            raise NotIntegerError(
                f"Layer '{call.layer.name}' expects a quantized input: call a `keras_alt.Quantizer`"
                "on it, as `quantize_model` does. Received: an input in floating point."
            )
        else:
            self.entry.update(call.outputs)

        if isinstance(call.layer, Quantizer) and call.outputs[0] in self.positions:
            self.taps[call.outputs[0]] = self.positions[call.outputs[0]]

    def handler(self, call):
        if type(call.layer) in HANDLERS:
            return HANDLERS[type(call.layer)]
        if is_operator(call.layer, type(call.layer).__name__):
            return OPERATORS.get(type(call.layer).__name__)
        return None

    def enter(self, call):
        """Take the quantizer that the integer program begins with."""
        format, exponent, low, high, _ = self.quantization(call.layer, call)
        self.entries.append(call.inputs[0])
        tensor = Tensor(
            self.name(call.layer), call.inputs[0].shape[1:], exponent, low, high, format
        )
        position = self.program.add_tensor(tensor)
        self.program.inputs.append(position)
        return position

    def leave(self, call):
        """Note a float layer behind quantizers; nothing quantized may follow it."""
        names = {n: None for t in call.inputs for n in self.behind.get(t, ())}
        if isinstance(call.layer, (Quantizer, QuantizedKernel)):
            raise NotIntegerError(
                f"Between quantizers, '{call.layer.name}' reads layers that stay float: "
                f"{', '.join(names) or 'an unquantized tensor'}. Integers need a model without; "
                "`keras_alt.report` gives the reason for each."
            )
        names[call.layer.name] = None
        self.behind.update(dict.fromkeys(call.outputs, list(names)))

    def ends(self, tensor):
        """Return the last tensors on a grid in front of an output."""
        if tensor in self.positions:
            return [tensor]
        if tensor not in self.graph.producer:
            raise NotIntegerError(
                f"Every path to an output must pass a quantizer. Received: one from input "
                f"'{tensor.name}' that passes none."
            )
        return [t for i in self.graph.producer[tensor].inputs for t in self.ends(i)]

    def require_integers(self, tensor):
        if np.any(tensor.divisor != 1):
            raise NotIntegerError(
                f"The average '{tensor.name}' expects a quantizer behind it. "
                "Received: a model without."
            )

    def require_size(self, layer, size):
        if None in size:
            raise NotIntegerError(
                f"Layer '{layer.name}' needs inputs of known size: build the model with a fixed "
                f"input shape. Received: size={tuple(size)}"
            )

    def name(self, quantizer):
        return quantizer_name(quantizer, quantizer)

    def tensor(self, position) -> Tensor:
        return self.program.tensors[position]

    def operands(self, call):
        """Return the positions of all inputs of `call`, which must lie on a grid."""
        missing = [t for t in call.inputs if t not in self.positions]
        if missing:
            raise NotIntegerError(
                f"Layer '{call.layer.name}' expects quantized inputs only. "
                f"Received: {len(missing)} of {len(call.inputs)} in floating point."
            )
        return [self.positions[t] for t in call.inputs]

    def quantization(self, quantizer, call=None):
        """Return `(format, exponent, low, high, rounding)` of one use of a quantizer."""
        kwargs = call.kwargs if call is not None else {}
        rounding = kwargs.get("rounding", "half_even")
        bound = RELU_MAX[kwargs.get("activation") or quantizer.activation]
        format, exponent = quantizer.format, quantizer.exponent
        low, high = format.qmin, format.qmax
        if bound is not None:
            low = max(low, 0)
            if math.isfinite(bound):
                code = ROUNDINGS[rounding](ops.convert_to_tensor(bound * 2.0**-exponent), format)
                high = int(min(float(ops.convert_to_numpy(code)), high))
        return format, exponent, low, high, rounding

    def requantize(self, position, quantizer, layer, name=None, call=None, rounding=None):
        """Append the step that moves a tensor onto the grid of `quantizer`."""
        x = self.tensor(position)
        format, exponent, low, high, default = self.quantization(quantizer, call)
        offset = 0 if format.signed else -(2 ** (format.bits - 1))
        return self.program.add_step(
            "requantize",
            layer.name,
            [position],
            Tensor(name or self.name(quantizer), x.shape, exponent, low, high, format),
            shift=exponent - x.exponent,
            rounding=rounding or default,
            low=low,
            high=high,
            offset=offset,
            divisor=x.divisor,
        )

    def moved(self, operation, call, shape=None, position=None, **attributes):
        """Append a step whose results are values of its input."""
        position = self.operands(call)[0] if position is None else position
        x = self.tensor(position)
        shape = call.outputs[0].shape[1:] if shape is None else shape
        tensor = Tensor(call.layer.name, tuple(shape), x.exponent, x.low, x.high, x.format)
        return self.program.add_step(operation, call.layer.name, [position], tensor, **attributes)

    def channels_last(self, position, layer):
        """Return the position of a tensor with its channels last, whatever the layer's order."""
        x = self.tensor(position)
        rank = len(x.shape)
        if getattr(layer, "data_format", "channels_last") == "channels_last" or rank < 2:
            return position
        tensor = Tensor(layer.name, (*x.shape[1:], x.shape[0]), x.exponent, x.low, x.high, x.format)
        axes = (0, *range(2, rank + 1), 1)
        return self.program.add_step("transpose", layer.name, [position], tensor, axes=axes)

    def channels_as(self, position, layer):
        """Return the position of a tensor whose channels are where the layer has them."""
        x = self.tensor(position)
        rank = len(x.shape)
        if getattr(layer, "data_format", "channels_last") == "channels_last" or rank < 2:
            return position
        tensor = Tensor(
            x.name, (x.shape[-1], *x.shape[:-1]), x.exponent, x.low, x.high, x.format, x.divisor
        )
        axes = (0, rank, *range(1, rank))
        return self.program.add_step("transpose", layer.name, [position], tensor, axes=axes)


HANDLERS = Handlers()  # `(reader, call)` returns the position of the output, by type of layer
handles = HANDLERS.handles
OPERATORS = Handlers()  # the same by class name of an operator of Keras
handles_operators = OPERATORS.handles


def constant(values, quantizer) -> Constant:
    """Return what a quantizer makes of a constant tensor."""
    values = ops.convert_to_numpy(values).astype(np.float32)
    if not np.isfinite(values).all():
        raise NotIntegerError(
            f"Constants behind quantizer '{quantizer.path}' must be finite. Received: NaN or inf."
        )
    exponent, format = quantizer.exponent, quantizer.format
    return Constant(rounded(values, exponent, format), exponent, format)


def rounded(values, exponent, format) -> np.ndarray:
    """Return `clip(round(values / 2**exponent))` as integers, ties to even."""
    codes = np.rint(np.ldexp(values.astype(np.float64), -exponent))
    return np.clip(codes, format.qmin, format.qmax).astype(np.int64)


@handles(Quantizer)
def _quantizer(reader, call):
    return reader.requantize(reader.positions[call.inputs[0]], call.layer, call.layer, call=call)


def _unique(names):
    """Return names with a number where they repeat: one layer may give several outputs."""
    return [f"{n}_{i}" if names.count(n) > 1 else n for i, n in enumerate(names)]


def _input_keys(model):
    """Return what the inputs are called in a dictionary, in the order of the model's inputs."""
    structure = model._inputs_struct
    return sorted(structure) if isinstance(structure, dict) else [t.name for t in model.inputs]


def _target(graph):
    names = {c.layer.target for c in graph.calls if isinstance(c.layer, QuantizedKernel)}
    if len(names) > 1:
        raise NotIntegerError(f"All layers must have one target. Received: {sorted(names)}")
    return names.pop() if names else "paper"
