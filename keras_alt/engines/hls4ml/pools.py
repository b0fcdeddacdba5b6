"""Writes maxima and averages, over windows and over whole axes, as pools of images."""

import math

import numpy as np

from keras_alt.engines.hls4ml.nodes import CHANNELS_LAST, handles, shaped, unsupported
from keras_alt.engines.hls4ml.types import narrowest, register
from keras_alt.engines.onnx_nodes import pads

NO_PADS = (0, 0, 0, 0)


@handles("window_maximum")
def _maximum_pool(writer, step):
    _pool_windows(writer, step, "MaxPool")


@handles("window_sum")
def _average_pool(writer, step):
    _require_rounding(writer, step)
    _pool_windows(writer, step, "AveragePool")


@handles("reduce_maximum")
def _maximum(writer, step):
    _pool_axes(writer, step, "MaxPool")


@handles("reduce_sum")
def _mean(writer, step):
    _require_rounding(writer, step)
    _pool_axes(writer, step, "AveragePool")


def _pool_windows(writer, step, kind):
    """Write a pool of an image, or of a line as an image of one row."""
    window, strides, padding = (step.attributes[k] for k in ("window", "strides", "padding"))
    if len(window) > 2:
        raise unsupported(step, f"a pool of window {window}")
    (value,), name = writer.at(step), writer.name(step.output)
    before, after = (writer.program.tensors[p].shape for p in (*step.inputs, step.output))
    if len(window) == 2:
        padding, value = _padded(writer, step, kind, value, before, padding)
        writer.values[step.output] = _pool(
            writer, kind, value, name, after, window, strides, pads(padding)
        )
        return
    value = _as_image(writer, step, value, (1, *before))
    padding, value = _padded(writer, step, kind, value, (1, *before), ((0, 0), *padding))
    _pool_inside(writer, step, kind, value, (1, *after), (1, *window), (1, *strides), pads(padding))


def _padded(writer, step, kind, value, shape, padding):
    """Return the padding that is left to a maximum pool, and its input.

    hls4ml takes the lowest number of the input's type, if it is signed, for the cells around. A sum
    of cells leaves them out by itself.
    """
    if kind != "MaxPool" or not np.any(padding):
        return padding, value
    tensor, held = writer.program.tensors[step.output], register(writer, step.inputs[0])
    if tensor.low < 0:
        if held != narrowest(tensor):
            raise unsupported(step, f"padding={padding} of codes that do not fill {held[0]} bits")
        return padding, value
    name = f"{writer.name(step.output)}_padded"
    around = np.array(pads([(0, 0), *padding, (0, 0)]), np.int64)
    sizes = [n + sum(ends) for n, ends in zip(shape, padding, strict=False)]
    cells = writer.initializer(f"{name}_integers", around)
    writer.moved.add(name)
    return ((0, 0), (0, 0)), writer.add("Pad", [value, cells], name, (1, *sizes, shape[-1]))


def _pool_axes(writer, step, kind):
    """Write a pool of one window for all cells of neighbouring axes."""
    shape, axes = writer.program.tensors[step.inputs[0]].shape, sorted(step.attributes["axes"])
    if axes != list(range(axes[0], axes[-1] + 1)):
        raise unsupported(step, f"a reduction over the axes {tuple(axes)} of {shape}")
    (value,), image = writer.at(step), shape
    if len(shape) != 3 or axes != [1, 2]:
        parts = shape[: axes[0] - 1], shape[axes[0] - 1 : axes[-1]], shape[axes[-1] :]
        image = tuple(map(math.prod, parts))
        value = _as_image(writer, step, value, image)
    window = image[:2] if image is shape else (1, image[1])
    pooled = (1 if image is shape else image[0], 1, image[-1])
    _pool_inside(writer, step, kind, value, pooled, window, window, NO_PADS)


def _as_image(writer, step, value, shape):
    name = f"{writer.name(step.output)}_image"
    writer.moved.add(name)
    return writer.reshaped(value, name, shape)


def _pool_inside(writer, step, kind, value, shape, *windows):
    """Write a pool whose result has another shape than that of the step."""
    name = f"{writer.name(step.output)}_pool"
    value = _pool(writer, kind, value, name, shape, *windows)
    writer.inner[value] = step.output
    shaped(writer, step, value)


def _pool(writer, kind, value, name, shape, window, strides, pads):
    return writer.add(
        kind,
        [value],
        name,
        (1, *shape),
        domain=CHANNELS_LAST,
        kernel_shape=window,
        strides=strides,
        dilations=(1, 1),
        pads=pads,
    )


def _require_rounding(writer, step):
    """Raise an error unless all that read an average round it."""
    readers = [other for other in writer.program.steps if step.output in other.inputs]
    if step.output in writer.outputs or any(r.operation != "requantize" for r in readers):
        raise unsupported(step, "an average that no quantizer reads")
