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
    if (low, high) != (0, None):
        raise unsupported(step, f"a clip to {low}, {high} in units of its input")
    writer.give(step, "Relu", writer.at(step))


@handles("requantize")
def _requantize(writer, step):
    tensor, rounding = writer.program.tensors[step.output], step.attributes["rounding"]
    source = writer.program.tensors[step.inputs[0]]
    within = source.low >= tensor.low and source.high <= tensor.high
    if within and (source.exponent, source.format) == (tensor.exponent, tensor.format):
        writer.values[step.output] = writer.values[step.inputs[0]]
        return
    if rounding not in ROUNDINGS or np.any(step.attributes["divisor"] != 1):
        raise unsupported(step, f"rounding={rounding}, divisor={step.attributes['divisor']}")
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


@handles("add", "subtract", "maximum", "minimum", "concatenate")
def _merge(writer, step):
    kinds = {"subtract": "Sub", "maximum": "Max", "minimum": "Min", "concatenate": "Concat"}
    kind = kinds.get(step.operation, "Add")
    shapes = {writer.program.tensors[position].shape for position in step.inputs}
    attributes = {}
    if kind == "Concat":
        attributes = {"axis": step.attributes["axis"] % (len(min(shapes)) + 1)}
    elif len(shapes) > 1:
        raise unsupported(step, f"operands of the shapes {sorted(shapes)}")
    if len(step.inputs) != 2:
        raise unsupported(step, f"{len(step.inputs)} operands")
    writer.give(step, kind, writer.at(step), **attributes)


@handles("window_maximum")
def _maximum_pool(writer, step):
    a = step.attributes
    if len(a["window"]) != 2 or np.any(a["padding"]):
        raise unsupported(step, f"a pool of window {a['window']} and padding {a['padding']}")
    name, shape = writer.name(step.output), writer.program.tensors[step.output].shape
    writer.values[step.output] = _pool(writer, step, name, shape, a["window"], a["strides"])


@handles("reduce_maximum")
def _maximum(writer, step):
    shape, axes = writer.program.tensors[step.inputs[0]].shape, step.attributes["axes"]
    if len(shape) != 3 or tuple(axes) != (1, 2):
        raise unsupported(step, f"a maximum over the axes {axes} of {shape}")
    name = f"{writer.name(step.output)}_pool"
    value = _pool(writer, step, name, (1, 1, shape[-1]), shape[:2], shape[:2])
    writer.inner[value] = step.output
    _reshape(writer, step, value)


def _pool(writer, step, name, shape, window, strides):
    return writer.add(
        "MaxPool",
        writer.at(step),
        name,
        (1, *shape),
        domain=CHANNELS_LAST,
        kernel_shape=window,
        strides=strides,
        dilations=(1, 1),
        pads=(0, 0, 0, 0),
    )


@handles("reshape")
def _reshape(writer, step, value=None):
    value = value or writer.at(step)[0]
    if all(step.output not in other.inputs for other in writer.program.steps):
        writer.values[step.output] = value  # outputs have no shape in C
        return
    shape = np.array([1, *writer.program.tensors[step.output].shape], np.int64)
    name = writer.initializer(f"{writer.name(step.output)}_integers", shape)
    writer.give(step, "Reshape", [value, name])


@handles("pad")
def _pad(writer, step):
    padding = np.array(pads([(0, 0), *step.attributes["padding"]]), np.int64)
    name = writer.initializer(f"{writer.name(step.output)}_integers", padding)
    writer.give(step, "Pad", [*writer.at(step), name])


@handles("transpose")
def _transpose(writer, step):
    writer.give(step, "Transpose", writer.at(step), perm=step.attributes["axes"])
