"""The types of a LiteRT file's inputs and outputs."""

from dataclasses import replace

import keras
import numpy as np

from keras_alt.activations import activation_name
from keras_alt.choices import is_choice
from keras_alt.engines.fitting import ExportError
from keras_alt.graph import Graph
from keras_alt.integer import Reading

L = keras.layers
TYPES = ("int8", "uint8", "float32")
ZERO = {"int8": -128, "uint8": 0}  # what stands for zero where no value is negative
# Functions with known limits: log2 of the scale of 8 bits, and whether values can be negative.
LIMITED = {"softmax": (-8, False), "sigmoid": (-8, False), "tanh": (-7, True)}


def check_types(**types: str | None):
    """Raise an error unless each of the types is one of `TYPES` or None."""
    for name, type_ in types.items():
        if not is_choice(type_, (None, *TYPES)):
            raise ValueError(
                f"`{name}` must be one of {', '.join(TYPES)}, or None. Received: {name}={type_!r}"
            )


def bytes_as_codes(reading: Reading) -> Reading:
    """Leave out rescalings in front of the quantizers that make no more of bytes than codes.

    `Rescaling(2**-8)` in front of unsigned codes with that scale is such a layer, and so is
    `Rescaling(2**-7, -1)` in front of signed ones. If there are others, `reading` is returned.
    """
    graph, program = Graph(reading.entry), reading.program
    inputs = []
    for tensor, position in zip(reading.entry.outputs, program.inputs, strict=True):
        call, codes = graph.producer.get(tensor), program.tensors[position]
        if call is None:
            inputs.append(tensor)
        elif call.inputs[0] in graph.inputs and _gives_codes(call.layer, codes):
            inputs.append(call.inputs[0])
        else:
            return reading
    return replace(reading, entry=keras.Model(reading.entry.inputs, inputs))


def _gives_codes(layer, codes):
    if type(layer) is not L.Rescaling or np.ndim(layer.scale) or np.ndim(layer.offset):
        return False
    step = 2.0**codes.exponent
    shift = -128 if codes.format.signed else 0
    return codes.format.bits == 8 and (layer.scale, layer.offset) == (step, shift * step)


def typed_inputs(writer, inputs: dict[str, int], type_: str | None) -> dict[str, int]:
    """Put tensors of a type in front of the inputs of a file; return `{name: index}`.

    Inputs of whole numbers, such as the tokens of an embedding, stay as they are.

    Raises:
        ExportError: nothing says what an integer is worth in front of float layers.
    """
    dtypes = {tensor.name: tensor.dtype for tensor in writer.reading.entry.inputs}
    return {name: _entered(writer, name, i, type_, dtypes[name]) for name, i in inputs.items()}


def _entered(writer, name, index, type_, dtype):
    stored = writer.file.dtype(index)
    if type_ in (None, stored) or stored not in TYPES:
        return index
    if stored == "float32":
        if dtype != "uint8":
            raise ExportError(
                "An integer in front of float layers needs a known scale: give the model an input "
                "of dtype 'uint8', whose values are the bytes, quantize it with "
                "`QuantizeConfig(inputs='uint8')`, or leave `inputs` at 'float32'. Received: "
                f"inputs={type_!r}, and '{name}' of {dtype} in front of "
                f"{', '.join(writer.reading.entry_layers)}"
            )
        new = _tensor(writer, f"{name}/{type_}", index, type_, 0, ZERO[type_])
        code = "DEQUANTIZE"
    else:
        new = _recoded(writer, f"{name}/{type_}", index, type_)
        code = "QUANTIZE"
    writer.file.operator(code, [new], [index])
    operators = writer.file.graph.operators
    operators.insert(0, operators.pop())
    return new


def typed_outputs(writer, outputs: dict[str, int], type_: str | None) -> dict[str, int]:
    """Put tensors of a type behind the outputs of a file; return `{name: index}`.

    Raises:
        ExportError: nothing says what an integer is worth behind float layers.
    """
    leave = writer.reading.exit
    pairs = zip(outputs.items(), leave.outputs, strict=True)
    return {name: _left(writer, name, i, type_, tensor) for (name, i), tensor in pairs}


def _left(writer, name, index, type_, tensor):
    stored = writer.file.dtype(index)
    if type_ in (None, stored) or stored not in TYPES:
        return index
    if stored == "float32":
        exponent, signed = _limits(writer, tensor, name, type_)
        zero = ZERO[type_] + 128 * signed
        new = _tensor(writer, f"{name}/{type_}", index, type_, exponent, zero)
    else:
        new = _recoded(writer, f"{name}/{type_}", index, type_)
    code = "DEQUANTIZE" if type_ == "float32" else "QUANTIZE"
    writer.file.operator(code, [index], [new])
    return new


def _limits(writer, tensor, name, type_):
    """Return log2 of the scale of a float output, and whether it can be negative."""
    leave, program = writer.reading.exit, writer.program
    call = Graph(leave).producer.get(tensor)
    if call is None:  # the codes of a quantizer beside other outputs
        position = next(i for i, t in enumerate(leave.inputs) if t is tensor)
        codes = program.tensors[program.outputs[position]]
        return codes.exponent, codes.format.signed
    softmax = type(call.layer) is L.Softmax
    function = "softmax" if softmax else activation_name(call.layer)
    if function not in LIMITED:
        raise ExportError(
            "An integer behind float layers needs a known scale, as "
            f"{', '.join(LIMITED)} have: leave `outputs` at 'float32', or take the layer off. "
            f"Received: outputs={type_!r}, and '{name}' from '{call.layer.name}'"
        )
    return LIMITED[function]


def _recoded(writer, name, index, type_):
    """Add a tensor of a type for the values of the int8 codes at `index`."""
    if type_ == "float32":
        return _tensor(writer, name, index, type_)
    scale, zero = writer.file.grid(index)
    return _tensor(writer, name, index, type_, int(np.log2(scale)), zero + 128)


def _tensor(writer, name, index, type_, exponent=None, zero=0):
    shape = writer.file.shape(index)
    if exponent is None:
        return writer.file.tensor(name, shape, type_)
    writer.exponents[name] = exponent
    return writer.file.tensor(name, shape, type_, 2.0**exponent, zero)
