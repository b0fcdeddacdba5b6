"""Writes the operations of an integer program as LiteRT operators."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.handler import Handler
from keras_alt.engines.litert import reductions, softmax, volumes
from keras_alt.engines.litert.operator import Operator, channel_shifts
from keras_alt.engines.litert.rules import KERNELS
from keras_alt.engines.litert.stored import zero_point
from keras_alt.handlers import Handlers
from keras_alt.padding import is_fixed, paddings

OPERATORS = Handlers()


def handles(*operations: str) -> Callable[[Handler], Handler]:
    """Return a decorator that registers a function as the writer of these operations.

    The function's `writer` is a `keras_alt.engines.litert.writer.Writer`. It does one of

    - `writer.pending[step.output] = Operator(...)`: a quantizer follows and defines how the result
      is stored.
    - `writer.finish(Operator(...), step.output)`: the result is already on a grid.
    - `writer.move(step, code, *constants, **options)`: the operator only moves codes.

    `writer.at(position)` returns the file index of an input on a grid. Operators have the codes and
    options of TensorFlow Lite's schema. A new operator that rounds needs an entry in
    `keras_alt.engines.litert.rules.RULES`.
    """
    return OPERATORS.handles(*operations)


@handles("convolve")
def _convolve(writer, step):
    kernel, a = step.attributes["kernel"], step.attributes
    if len(a["strides"]) == 3:
        volumes.convolve(writer, step)
        return
    x, codes = writer.program.tensors[step.inputs[0]], kernel.codes
    size = writer.program.tensors[step.output].shape
    strides, dilation = a["strides"], a["dilation"]
    value, shape, same = _surrounded(writer, step, codes.shape[:-2])
    if len(strides) == 1:  # a line is an image of height 1
        value = writer.reshaped(value, step.inputs[0], (1, *shape))
        codes, strides, dilation, size = codes[None], (1, *strides), (1, *dilation), (1, *size)
    options = {
        "padding": writer.padding(same),
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
    }
    if a["groups"] == x.shape[-1] and a["groups"] > 1:
        code = "DEPTHWISE_CONV_2D"
        options["depthMultiplier"] = codes.shape[-1] // x.shape[-1]
        codes = codes.reshape(1, *codes.shape[:2], -1)
    else:
        code, codes = "CONV_2D", codes.transpose(3, 0, 1, 2)
    shifts = channel_shifts(kernel, size[-1])
    axis = codes.ndim - 1 if code == "DEPTHWISE_CONV_2D" else 0
    inputs = [value, writer.kernel(step, codes, shifts, axis)]
    operator = Operator(code, inputs, size, options, layer=step.layer, shifts=shifts)
    writer.pending[step.output] = operator


def _surrounded(writer, step, window):
    """Return a convolution's input, its shape, and whether LiteRT must pad it by "same".

    LiteRT pads by "same" itself. Other padding is added to the input.
    """
    a, shape = step.attributes, writer.program.tensors[step.inputs[0]].shape
    same = _is_same(a["padding"], shape[:-1], window, a["strides"], a["dilation"])
    padding = ()
    if not same and any(map(any, a["padding"])):
        padding = (*a["padding"], (0, 0))
        pairs = zip(shape, padding, strict=True)
        shape = tuple(None if n is None else n + sum(pair) for n, pair in pairs)
    return writer.padded(step.inputs[0], padding, shape), shape, same


def _is_same(padding, space, window, strides, dilation):
    """Return whether LiteRT's "same" pads as `padding` does, whatever the open sizes are."""
    rule = "same", space, window, strides, dilation
    return is_fixed(*rule) and padding == paddings(*rule)


@handles("convolve_transposed")
def _convolve_transposed(writer, step):
    a, y = step.attributes, writer.program.tensors[step.output]
    if any(d != 1 for d in a["dilation"]):
        raise ExportError(f"LiteRT has no dilation in the transposed convolution '{step.layer}'.")
    before, strides, size = writer.program.tensors[step.inputs[0]].shape, a["strides"], y.shape
    codes, same = _widened(before, step)
    value = writer.at(step.inputs[0])
    if len(strides) == 1:  # a line is an image of height 1
        value = writer.reshaped(value, step.inputs[0], (1, *before))
        codes, strides, size = codes[None], (1, *strides), (1, *size)
    target = writer.values(f"{step.layer}/size{step.output}", (1, *size))
    shifts = channel_shifts(a["kernel"], size[-1])
    kernel = writer.kernel(step, codes.transpose(2, 0, 1, 3), shifts)
    writer.pending[step.output] = Operator(
        "TRANSPOSE_CONV",
        [target, kernel, value],
        size,
        {"padding": writer.padding(same), "strideH": strides[0], "strideW": strides[1]},
        layer=step.layer,
        shifts=shifts,
    )


def _widened(space, step):
    """Return the kernel with zeros up to the end of the output, and whether "same" crops.

    LiteRT's delegate takes only such transposed convolutions. Outside the delegate, they round
    twice.
    """
    codes, a = step.attributes["kernel"].codes, step.attributes
    axes = list(zip(space[:-1], codes.shape[:-2], a["strides"], a["size"], strict=True))
    wider = [max(size - (n - 1) * s - k, 0) for n, k, s, size in axes]
    codes = np.pad(codes, [*((0, cells) for cells in wider), (0, 0), (0, 0)])
    cropped = any(size < (n - 1) * s + k for n, k, s, size in axes)
    if cropped and any(-(-size // s) != n for n, _, s, size in axes):
        raise ExportError(
            f"LiteRT expects an output of stride times the input from the transposed convolution "
            f"'{step.layer}'; leave `output_padding` at None. Received: sizes {a['size']} from "
            f"{tuple(space[:-1])}"
        )
    return codes, cropped


@handles("add_constant")
def _add_constant(writer, step):
    operator, bias = writer.awaited(step), step.attributes["constant"]
    shifts = channel_shifts(bias, operator.shape[-1])
    on_products = not any(step.attributes["shifts"]) and np.array_equal(shifts, operator.shifts)
    if operator.code not in KERNELS or not on_products:
        raise ExportError(
            f"LiteRT needs the bias of '{step.layer}' on the grid of its products. "
            f"Received: an exponent of {bias.exponent}"
        )
    codes = np.tile(bias.codes, operator.shape[-1] // bias.codes.size)
    writer.pending[step.output] = replace(operator, bias=codes)


@handles("clip")
def _clip(writer, step):
    x, codes = writer.program.tensors[step.inputs[0]], step.attributes
    step_size = 2.0**x.exponent
    bounds = tuple(None if codes[k] is None else codes[k] * step_size for k in ("low", "high"))
    if step.inputs[0] in writer.pending:
        operator = writer.pending[step.inputs[0]]
        both = zip(operator.bounds, bounds, (max, min), strict=True)
        bounds = tuple(_tighter(first, second, choose) for first, second, choose in both)
        # Behind a separate ReLU layer, the bias is named '/bias4' to match earlier files.
        layer = operator.layer if step.layer == operator.layer else ""
        writer.pending[step.output] = replace(operator, bounds=bounds, layer=layer)
    else:
        stored = writer.at(step.inputs[0])
        writer.finish(Operator(None, [stored], x.shape, bounds=bounds), step.output)


def _tighter(first, second, choose):
    bounds = [bound for bound in (first, second) if bound is not None]
    return choose(bounds) if bounds else None


@handles("requantize")
def _requantize(writer, step):
    x, rounding = writer.program.tensors[step.inputs[0]], step.attributes["rounding"]
    operator = writer.pending.get(step.inputs[0])
    if operator is None:
        operator = Operator("QUANTIZE", [writer.at(step.inputs[0])], x.shape)
    rounds = step.attributes["shift"] > 0 or np.any(x.divisor != 1)
    known = writer.rules.roundings.get(operator.code)
    if rounds and known != rounding:
        raise ExportError(
            f"LiteRT's {operator.code} rounds by {known!r} for target '{writer.reading.target}'. "
            f"Received: rounding={rounding!r} at '{step.layer}'"
        )
    if operator.code in KERNELS:
        operator = writer.biased(operator, step, x)
    if operator.code == "MEAN" and rounding == "half_even":
        operator = reductions.repeated(writer, operator, step)
    if operator.code == "DIV":
        operator = softmax.rounded(writer, operator, step)
    writer.finish(operator, step.output)


@handles("multiply")
def _multiply(writer, step):
    constant, shape = step.attributes["constant"], writer.program.tensors[step.output].shape
    if constant.format.bits > 8:
        raise ExportError(
            f"LiteRT multiplies by 8 bits. Received: '{step.layer}' with {constant.format}"
        )
    name = f"{step.layer}/factor{step.output}"
    factor = writer.constant(name, constant.codes.astype(np.int8), constant.exponent)
    writer.pending[step.output] = Operator("MUL", [writer.at(step.inputs[0]), factor], shape)


@handles("constant_tensor")
def _constant_tensor(writer, step):
    constant, name = step.attributes["constant"], f"{step.layer}/constant{step.output}"
    zero = zero_point(writer.program.tensors[step.output])
    codes = (constant.codes[None] + zero).astype(np.int8)
    writer.stored[step.output] = writer.constant(name, codes, constant.exponent, zero)


@handles("softmax")
def _softmax(writer, step):
    writer.pending[step.output] = softmax.probabilities(writer, step)


@handles("product")
def _product(writer, step):
    inputs = [writer.at(p) for p in step.inputs]
    writer.pending[step.output] = Operator("MUL", inputs, writer.program.tensors[step.output].shape)


@handles("add", "subtract")
def _add(writer, step):
    code = {"add": "ADD", "subtract": "SUB"}[step.operation]
    if len(step.inputs) != 2:
        raise ExportError(
            f"LiteRT adds two tensors at a time: use several `Add` layers. "
            f"Received: '{step.layer}' adds {len(step.inputs)}"
        )
    inputs = [writer.at(p) for p in step.inputs]
    writer.pending[step.output] = Operator(code, inputs, writer.program.tensors[step.output].shape)


@handles("window_sum", "window_maximum")
def _pool(writer, step):
    a, position = step.attributes, step.inputs[0]
    if len(a["window"]) == 3 and step.operation == "window_maximum":
        volumes.maximum_pool(writer, step)
        return
    x, y = writer.program.tensors[position], writer.program.tensors[step.output]
    window, strides = a["window"], a["strides"]
    same = _is_same(a["padding"], x.shape[:-1], window, strides, (1,) * len(window))
    value, size = writer.at(position), y.shape
    if len(window) == 1:
        value = writer.reshaped(value, position, (1, *x.shape))
        window, strides, size = (1, *window), (1, *strides), (1, *size)
    options = {
        "padding": writer.padding(same),
        "filterHeight": window[0],
        "filterWidth": window[1],
        "strideH": strides[0],
        "strideW": strides[1],
    }
    if step.operation == "window_sum":
        writer.pending[step.output] = Operator("AVERAGE_POOL_2D", [value], size, options)
    else:
        writer.finish(Operator("MAX_POOL_2D", [value], size, options), step.output)


@handles("reduce_sum", "total")
def _sum(writer, step):
    writer.pending[step.output] = reductions.summed(writer, step)


@handles("reduce_maximum", "reduce_minimum")
def _extreme_over_axes(writer, step):
    a = step.attributes
    code = {"reduce_maximum": "REDUCE_MAX", "reduce_minimum": "REDUCE_MIN"}[step.operation]
    writer.move(step, code, a["axes"], keepDims=a["keepdims"])


@handles("maximum", "minimum")
def _extreme(writer, step):
    writer.move(step, step.operation.upper())


@handles("concatenate")
def _concatenate(writer, step):
    writer.move(step, "CONCATENATION", axis=step.attributes["axis"])


@handles("pad")
def _pad(writer, step):
    writer.move(step, "PAD", [(0, 0), *step.attributes["padding"]])


@handles("crop")
def _crop(writer, step):
    shape = writer.program.tensors[step.output].shape
    cropping = step.attributes["cropping"]
    begin = [0, *(before for before, _ in cropping)]
    pairs = zip(shape, cropping, strict=True)
    size = [-1 if n is None and not after else n for n, (_, after) in pairs]  # -1: up to the end
    writer.move(step, "SLICE", begin, (-1, *size))


@handles("reshape")
def _reshape(writer, step):
    writer.move(step, "RESHAPE", (-1, *step.attributes["shape"]))


@handles("take")
def _take(writer, step):
    writer.move(step, "GATHER", step.attributes["indices"], axis=step.attributes["axis"])
