"""The `ap_fixed` types of a program's tensors in hls4ml.

Without given types, hls4ml guesses the types of sums. It also merges a quantizer into the layer in
front, even if other layers read that layer. Given types prevent both.
"""

from keras_alt.engines.fitting import ExportError
from keras_alt.formats import FixedPoint
from keras_alt.integer import Tensor

ROUNDINGS = {"half_even": "RND_CONV", "floor": "TRN"}
SUMS = ("convolve", "matrix_product")
ACCUMULATING = (*SUMS, "window_maximum")
# hls4ml gives the results of these operations the type of their input.
MOVES = ("reshape", "pad", "transpose", "reduce_maximum")


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
        type = "auto" if step.operation in MOVES else holding(program.tensors[step.output])
        names = ["result"]
        if step.operation in ACCUMULATING:
            names.append("accum")
        if step.operation in SUMS:
            names.append("bias")  # zeros
        if step.operation != "requantize":  # a quantizer's type is in the QONNX file
            layers[writer.name(step.output)] = dict.fromkeys(names, type)
    for name, position in writer.inner.items():
        layers[name] = dict.fromkeys(("result", "accum"), holding(program.tensors[position]))
    return {name: {"Precision": types} for name, types in layers.items()}


def stored(exponent: int, format: FixedPoint, rounding: str = "half_even") -> str:
    """Return the type of a quantizer."""
    saturation = "SAT_SYM" if format.narrow else "SAT"
    bits = f"{format.bits},{format.bits + exponent}"
    return f"{_prefix(format.signed)}<{bits},{ROUNDINGS[rounding]},{saturation},0>"


def holding(tensor: Tensor) -> str:
    """Return the narrowest type that holds every possible value of a tensor."""
    signed = tensor.low < 0
    low, high = int(tensor.low), int(tensor.high)
    bits = max(high.bit_length(), (-low - 1).bit_length() if signed else 1) + signed
    return f"{_prefix(signed)}<{bits},{bits + tensor.exponent},TRN,WRAP,0>"


def _prefix(signed):
    return "fixed" if signed else "ufixed"


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
        for kind, expected in _expected(step, program).items():
            _same(place, kind, expected, types.get(kind))


def _adds_nothing(step):
    return step.operation == "add_constant" and not step.arguments["constant"].any()


def _expected(step, program):
    """Return the types of a step's node by the names that hls4ml uses."""
    tensor = program.tensors[step.output]
    if step.operation == "requantize":
        rounding = step.attributes["rounding"]
        return {"result_t": stored(tensor.exponent, tensor.format, rounding)}
    if step.operation in MOVES:
        return {}
    types = {"result_t": holding(tensor)}
    if step.operation in ACCUMULATING:
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
}


def _same(place, what, expected, received):
    if expected != received:
        raise ExportError(
            f"The {what} of {place} must be {expected}. Received: {received} from hls4ml"
        )
