"""The `ap_fixed` types of a program's tensors in hls4ml.

Without given types, hls4ml guesses the types of sums. It also merges a quantizer into the layer in
front, even if other layers read that layer. Given types prevent both.
"""

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.formats import FixedPoint
from keras_alt.integer import Tensor

ROUNDINGS = {"half_even": "RND_CONV", "floor": "TRN"}
SUMS = ("convolve", "matrix_product")
AVERAGES = ("reduce_sum", "window_sum")
ACCUMULATING = (*SUMS, "batch_matmul", "product", "window_maximum", "window_sum")
# The results of these operations have the type of their input.
MOVES = ("reshape", "pad", "transpose", "crop", "repeat", "reduce_maximum", "reduce_sum")


def precisions(writer) -> dict:
    """Return hls4ml's `LayerName` configuration.

    Args:
        writer: `ChannelsLastWriter` that has written the program.
    """
    program = writer.program
    layers = {
        writer.values[p]: {"result": stored(program.tensors[p].exponent, program.tensors[p].format)}
        for p in program.inputs
    }
    for step in program.steps:
        type = "auto" if step.operation in MOVES else computed(program, step.output)
        names = ["result"]
        if step.operation in ACCUMULATING:
            names.append("accum")
        if step.operation in SUMS:
            names.append("bias")  # zeros
        types = dict.fromkeys(names, type)
        if step.operation == "lookup":
            table = step.attributes["table"]
            types["table"] = stored(table.exponent, table.format)
        if step.operation != "requantize":  # a quantizer's type is in the QONNX file
            layers[writer.name(step.output)] = types
    for name in writer.moved:
        layers[name] = {"result": "auto"}
    for name, position in writer.inner.items():
        layers[name] = dict.fromkeys(("result", "accum"), computed(program, position))
    return {name: {"Precision": types} for name, types in layers.items()}


def stored(exponent: int, format: FixedPoint, rounding: str = "half_even") -> str:
    """Return the type of a quantizer."""
    saturation = "SAT_SYM" if format.narrow else "SAT"
    bits = f"{format.bits},{format.bits + exponent}"
    return f"{_prefix(format.signed)}<{bits},{ROUNDINGS[rounding]},{saturation},0>"


def computed(program, position: int) -> str:
    """Return the type of a result, which holds every possible value.

    An average is no whole number of steps. Its type has as many digits more as it takes to tell on
    which side of a tie it lies: half a step of the quantizer behind it, divided by the cells.
    """
    tensor, steps = program.tensors[position], program.steps
    step = next((step for step in steps if step.output == position), None)
    if step is None or step.operation not in AVERAGES:
        return holding(tensor)
    bits, signed = narrowest(tensor)
    finer = max(-s.attributes["shift"] for s in steps if position in s.inputs)
    digits = (2 * int(np.max(tensor.divisor))).bit_length() + max(finer, 0)
    return f"{_prefix(signed)}<{bits + digits},{bits + tensor.exponent},TRN,WRAP,0>"


def holding(tensor: Tensor) -> str:
    """Return the narrowest type that holds every possible code of a tensor."""
    bits, signed = narrowest(tensor)
    return f"{_prefix(signed)}<{bits},{bits + tensor.exponent},TRN,WRAP,0>"


def narrowest(tensor: Tensor) -> tuple[int, bool]:
    """Return the fewest bits that hold every code of a tensor, and whether one is negative."""
    signed = tensor.low < 0
    low, high = int(tensor.low), int(tensor.high)
    return max(high.bit_length(), (-low - 1).bit_length() if signed else 1) + signed, signed


def register(writer, position: int) -> tuple[int, bool]:
    """Return the bits of the type of a tensor that is written, and whether it is signed."""
    tensor = writer.program.tensors[position]
    step = next((s for s in writer.program.steps if s.output == position), None)
    if step is not None and _has_type_of_input(writer, step):
        return register(writer, step.inputs[0])
    if step is None or step.operation == "requantize":
        return tensor.format.bits, tensor.format.signed
    return narrowest(tensor)


def _has_type_of_input(writer, step):
    shared = writer.values[step.output] == writer.values[step.inputs[0]]
    return shared or (step.operation in MOVES and step.operation != "reduce_maximum")


def _prefix(signed):
    return "fixed" if signed else "ufixed"


def spread(project, writer):
    """Give the results of moves the type of their input.

    hls4ml sets the types of some moves before it knows those of quantizers.
    """
    moves = {writer.name(s.output) for s in writer.program.steps if s.operation in MOVES}
    moves |= writer.moved
    for layer in project.get_layers():
        if layer.outputs[0] in moves:
            moved, result = layer.get_input_variable(), layer.get_output_variable()
            result.type.precision = moved.type.precision


def check(project, writer):
    """Raise an error unless hls4ml's graph has the types and shapes that follow from training.

    Args:
        project: hls4ml's `ModelGraph`, optimized.
        writer: `ChannelsLastWriter` that wrote the graph.
    """
    program = writer.program
    layers = {layer.outputs[0]: layer for layer in project.get_layers()}
    for position in program.inputs:
        tensor, name = program.tensors[position], writer.values[position]
        received = str(layers[name].types["result_t"].precision)
        _same(f"input '{tensor.name}'", "type", stored(tensor.exponent, tensor.format), received)
    for step in program.steps:
        name, tensor = writer.name(step.output), program.tensors[step.output]
        if writer.values[step.output] != name:
            continue  # shares the tensor of another step
        if name not in layers:
            if _adds_nothing(step):
                continue
            raise ExportError(f"hls4ml left out '{tensor.name}' of layer '{step.layer}'.")
        types = {kind: str(t.precision) for kind, t in layers[name].types.items()}
        shape = tuple(int(n) for n in layers[name].get_output_variable().shape)
        place = f"'{step.operation}' in layer '{step.layer}'"
        _same(place, "shape", tensor.shape, shape)
        for kind, expected in _expected(step, layers[name], program).items():
            _same(place, kind, expected, types.get(kind))
        if step.operation == "lookup":
            bits = layers[name].get_input_variable().type.precision.width
            _same(place, "table size", 2**bits, len(layers[name].get_attr("table_data")))


def _adds_nothing(step):
    return step.operation == "add_constant" and not step.arguments["constant"].any()


def _expected(step, layer, program):
    """Return the types of hls4ml's layer of a step by the names that hls4ml uses."""
    tensor = program.tensors[step.output]
    if step.operation == "requantize":
        rounding = step.attributes["rounding"]
        return {"result_t": stored(tensor.exponent, tensor.format, rounding)}
    if step.operation in MOVES:
        return {"result_t": str(layer.get_input_variable().type.precision)}
    types = {"result_t": computed(program, step.output)}
    if step.operation in ACCUMULATING and "accum_t" in layer.types:
        types["accum_t"] = types["result_t"]
    for attribute, kind in CONSTANTS.get(step.operation, {}).items():
        constant = step.attributes[attribute]
        types[kind] = stored(constant.exponent, constant.format)
    return types


CONSTANTS = {
    "convolve": {"kernel": "weight_t"},
    "matrix_product": {"kernel": "weight_t"},
    "add_constant": {"constant": "bias_t"},
    "multiply": {"constant": "scale_t"},
    "lookup": {"table": "table_t"},
}


def _same(place, what, expected, received):
    if expected != received:
        raise ExportError(
            f"The {what} of {place} must be {expected}. Received: {received} from hls4ml"
        )
