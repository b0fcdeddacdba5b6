"""Writes cells left out and cells repeated, along one axis at a time.

An axis of any tensor is the width of an image: the axes in front of it are the rows, and the axes
behind it the channels.
"""

import math

from keras_alt.engines.hls4ml.nodes import handles, shaped, unsupported


@handles("crop")
def _crop(writer, step):
    (value,), shape = writer.at(step), writer.program.tensors[step.inputs[0]].shape
    for axis, (before, after) in enumerate(step.attributes["cropping"]):
        if before or after:
            ends = {"crop_top": 0, "crop_bottom": 0, "crop_left": before, "crop_right": after}
            n = shape[axis] - before - after
            value, shape = _along(writer, step, value, shape, axis, n, "Cropping2D", **ends)
    shaped(writer, step, value)


@handles("repeat")
def _repeat(writer, step):
    axis, repeats = step.attributes["axis"] - 1, step.attributes["repeats"]
    shape = writer.program.tensors[step.inputs[0]].shape
    n = shape[axis] * repeats
    if not _repeats_exactly(n, repeats):
        raise unsupported(step, f"cells repeated {repeats} times, {n} in all")
    (value,) = writer.at(step)
    value, _ = _along(writer, step, value, shape, axis, n, "Resize", algorithm="nearest")
    shaped(writer, step, value)


def _repeats_exactly(cells: int, repeats: int) -> bool:
    """Whether hls4ml reads the right cell each time: it multiplies by a reciprocal of 16 bits."""
    ratio = (cells // repeats << 16) // cells + 1
    return all(cell * ratio >> 16 == cell // repeats for cell in range(cells))


def _along(writer, step, value, shape, axis, n, kind, **attributes):
    """Write a layer of images for one axis, which it gives `n` cells; return value and shape."""
    name, rows = f"{writer.name(step.output)}_{axis}", math.prod(shape[:axis])
    channels = math.prod(shape[axis + 1 :])
    value = writer.reshaped(value, f"{name}_image", (rows, shape[axis], channels))
    sizes = {"in_height": rows, "in_width": shape[axis], "out_height": rows, "out_width": n}
    sizes |= {"n_chan": channels, "data_format": "channels_last"}
    value = writer.add_layer(kind, [value], name, (1, rows, n, channels), **sizes, **attributes)
    writer.moved |= {f"{name}_image", name}
    return value, (*shape[:axis], n, *shape[axis + 1 :])
