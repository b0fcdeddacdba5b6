"""Writes the operations of an integer program as QONNX nodes for hls4ml."""

from collections.abc import Callable

import numpy as np

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.handler import Handler
from keras_alt.engines.onnx_nodes import pads
from keras_alt.engines.qonnx.export import ROUNDINGS
from keras_alt.handlers import Handlers

CHANNELS_LAST = "qonnx.custom_op.channels_last"
NODES = Handlers()


def handles(*operations: str) -> Callable[[Handler], Handler]:
    """Return a decorator that registers a function as the writer of these operations.

    The function calls `writer.give(step, kind, inputs, **attributes)`, which adds the node of the
    output. Or it sets `writer.values[step.output]` to the name of a tensor. `writer.at(step)`
    returns the names of the inputs. `writer.constant` adds a kernel. Tensors are channels last,
    with a batch of 1.
    """
    return NODES.handles(*operations)


# What hls4ml does not have, by the operation that would need it.
MISSING = {
    "constant_tensor": "an array as an operand (caps of a `CappedReLU`, for instance)",
    "convolve_transposed": "a transposed convolution",
    "reduce_minimum": "a minimum over axes",
    "take": "a choice of cells by their indices",
    "total": "a sum over axes",
}


def missing(step) -> ExportError:
    """Return the error of a step whose operation is not in `NODES`."""
    return unsupported(step, MISSING.get(step.operation, f"the operation '{step.operation}'"))


def unsupported(step, what: str) -> ExportError:
    return ExportError(
        f"hls4ml has no form of layer '{step.layer}': export with `to_qonnx` or `to_integers` "
        f"instead. Received: {what}"
    )


@handles("convolve")
def _convolve(writer, step):
    a = step.attributes
    channels = writer.program.tensors[step.inputs[0]].shape[-1]
    if any(d != 1 for d in a["dilation"]):
        raise unsupported(step, f"dilation={a['dilation']}")
    if a["groups"] not in (1, channels):
        raise unsupported(step, f"groups={a['groups']} of {channels} channels")
    _convolved(writer, step, a["kernel"].codes, a["strides"], a["padding"], a["groups"])


def _convolved(writer, step, codes, strides, padding, groups):
    kernel = np.moveaxis(codes, -1, 0)
    name = f"{writer.name(step.output)}_kernel"
    writer.give(
        step,
        "Conv",
        [*writer.at(step), writer.constant(name, step.attributes["kernel"], kernel)],
        domain=CHANNELS_LAST,
        strides=strides,
        dilations=(1,) * len(strides),
        group=groups,
        kernel_shape=codes.shape[:-2],
        pads=pads(padding),
    )


@handles("matrix_product")
def _matrix_product(writer, step):
    kernel = step.attributes["kernel"]
    space = len(writer.program.tensors[step.inputs[0]].shape) - 1
    if space > 2:
        raise unsupported(step, f"{space} axes of space")
    if space:
        ones = (1,) * space
        codes = kernel.codes.reshape(*ones, *kernel.codes.shape)
        _convolved(writer, step, codes, ones, ((0, 0),) * space, groups=1)
        return
    name = writer.constant(f"{writer.name(step.output)}_kernel", kernel, kernel.codes)
    writer.give(step, "MatMul", [*writer.at(step), name])


@handles("add_constant", "multiply")
def _constant(writer, step):
    constant = step.attributes["constant"]
    name = f"{writer.name(step.output)}_constant"
    # hls4ml needs operands of the same shape.
    shape = writer.program.tensors[step.inputs[0]].shape
    held = writer.constant(name, constant, np.broadcast_to(constant.codes, shape))
    writer.give(
        step, {"add_constant": "Add", "multiply": "Mul"}[step.operation], [*writer.at(step), held]
    )


@handles("clip")
def _clip(writer, step):
    low, high = (step.attributes[name] for name in ("low", "high"))
    if (low, high) == (0, None):
        writer.give(step, "Relu", writer.at(step))
    elif (low, high) == (None, 0):
        _negative_part(writer, step)
    else:
        raise unsupported(step, f"a clip to {low}, {high} in units of its input")


def _negative_part(writer, step):
    """Write min(x, 0) as x - max(x, 0): hls4ml has no minimum of a tensor and a number."""
    (value,), name = writer.at(step), f"{writer.name(step.output)}_relu"
    positive = writer.add("Relu", [value], name, (1, *writer.program.tensors[step.output].shape))
    writer.inner[positive] = step.inputs[0]
    writer.give(step, "Sub", [value, positive])


@handles("requantize")
def _requantize(writer, step):
    tensor, rounding = writer.program.tensors[step.output], step.attributes["rounding"]
    source = writer.program.tensors[step.inputs[0]]
    within = source.low >= tensor.low and source.high <= tensor.high
    if within and (source.exponent, source.format) == (tensor.exponent, tensor.format):
        writer.values[step.output] = writer.values[step.inputs[0]]
        return
    if rounding not in ROUNDINGS:
        raise unsupported(step, f"rounding={rounding}")
    if tensor.high < tensor.format.qmax:
        raise unsupported(
            step,
            f"codes up to {tensor.high} of {tensor.format} with a step of 2**{tensor.exponent} "
            "(ReLU6 needs a threshold of 4 or less)",
        )
    (value,), name, shape = writer.at(step), writer.name(step.output), (1, *tensor.shape)
    if tensor.low > tensor.format.qmin:
        value = writer.add("Relu", [value], f"{name}_relu", shape)
        writer.inner[value] = step.inputs[0]
    writer.values[step.output] = writer.quantized(
        value, name, shape, tensor.exponent, tensor.format, rounding
    )


@handles("add", "subtract", "maximum", "minimum")
def _merge(writer, step):
    kinds = {"subtract": "Sub", "maximum": "Max", "minimum": "Min"}
    shapes = [writer.program.tensors[position].shape for position in step.inputs]
    if len(step.inputs) != 2:
        raise unsupported(step, f"{len(step.inputs)} operands")
    if not repeats(*shapes):
        raise unsupported(step, f"operands of the shapes {sorted(shapes)}")
    writer.give(step, kinds.get(step.operation, "Add"), writer.at(step))


def repeats(first: tuple, second: tuple) -> bool:
    """Whether one tensor, read again and again, gives a code for each code of the other.

    hls4ml's merges broadcast like that: a tensor of channels fits an image, one of pixels not.
    """
    rank = len(first)
    same = next((i for i in range(rank) if first[i:] == second[i:]), rank)
    return any(all(n == 1 for n in shape[:same]) for shape in (first, second))


@handles("concatenate")
def _concatenate(writer, step):
    """Write two operands at a time: hls4ml takes no more."""
    axis, position = step.attributes["axis"], step.output
    shape = (1, *writer.program.tensors[position].shape)
    value, *others = writer.at(step)
    if len(shape) > 4:
        raise unsupported(step, f"a concatenation of tensors of {len(shape) - 1} axes")
    sizes = [writer.program.tensors[p].shape[axis % len(shape) - 1] for p in step.inputs]
    for i, other in enumerate(others[:-1], start=2):
        part = list(shape)
        part[axis % len(shape)] = sum(sizes[:i])
        name = f"{writer.name(position)}_{i}"
        value = writer.add("Concat", [value, other], name, tuple(part), axis=axis % len(shape))
        writer.inner[value] = position
    writer.give(step, "Concat", [value, others[-1]], axis=axis % len(shape))


@handles("reshape")
def _reshape(writer, step):
    shaped(writer, step, writer.at(step)[0])


def shaped(writer, step, value):
    """Give a tensor the shape of a step's output."""
    if _only_shapes_outputs(writer.program, step):
        writer.values[step.output] = value  # outputs have no shape in C
        return
    shape = writer.program.tensors[step.output].shape
    writer.values[step.output] = writer.reshaped(value, writer.name(step.output), shape)


def _only_shapes_outputs(program, step) -> bool:
    readers = [other for other in program.steps if step.output in other.inputs]
    return all(r.operation == "reshape" and _only_shapes_outputs(program, r) for r in readers)


@handles("pad")
def _pad(writer, step):
    *space, of_channels = step.attributes["padding"]
    if len(space) not in (1, 2) or any(of_channels):
        raise unsupported(step, f"padding={step.attributes['padding']}, of more than space")
    padding = np.array(pads([(0, 0), *step.attributes["padding"]]), np.int64)
    name = writer.initializer(f"{writer.name(step.output)}_integers", padding)
    writer.give(step, "Pad", [*writer.at(step), name])


@handles("transpose")
def _transpose(writer, step):
    writer.give(step, "Transpose", writer.at(step), perm=step.attributes["axes"])
