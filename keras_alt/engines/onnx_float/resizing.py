"""Images in other sizes: upsampling, resizing, cropping, padding."""

import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.convolutions import as_it_was, channels_first, space
from keras_alt.engines.onnx_float.writer import array_of, composes, no_form, writes_float

# Keras' samples lie in the middle of pixels.
INTERPOLATIONS = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
}


def resized(writer, call, images, interpolation, *more) -> str:
    """Append ONNX' resize, to sizes or by factors."""
    if interpolation not in INTERPOLATIONS:
        raise no_form(call, f"interpolation={interpolation!r}")
    data_format = call.layer.data_format
    options = {"coordinate_transformation_mode": "half_pixel", **INTERPOLATIONS[interpolation]}
    x = channels_first(writer, images, data_format)
    return as_it_was(writer, writer.add("Resize", x, *more, **options), images, data_format)


@writes_float(L.UpSampling2D)
def _upsampling(writer, call, x):
    if "int" in x.dtype and call.layer.interpolation != "nearest":
        raise no_form(call, f"{x.dtype}")
    factors = writer.constant(np.array([1, 1, *call.layer.size]), "float32")
    return resized(writer, call, x, call.layer.interpolation, "", factors)


@writes_float("Resize")
def _resize(writer, call, images):
    """Take ONNX' resize where it computes the same, and Keras' own weights elsewhere.

    ONNX rounds positions of nearest pixels in float32, and smooths by other weights than Keras.
    """
    layer = call.layer
    if len(images.shape) != 4:
        raise no_form(call, f"images of shape {images.shape}")
    is_adapted = layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias
    is_open = None in space(images, layer.data_format)
    if is_adapted and is_open:
        raise no_form(call, "open sizes with antialias or an aspect ratio to keep")
    if is_adapted or not (is_open or layer.interpolation == "bilinear"):
        return writer.composed(lambda x: ops.cast(_weighed(layer, x), call.output.dtype), images)
    shape = writer.add("Shape", channels_first(writer, images, layer.data_format))
    kept = writer.add("Slice", shape, [0], [2])
    sizes = writer.add("Concat", kept, writer.graph.integers(layer.size), axis=0)
    name = resized(writer, call, images, layer.interpolation, "", "", sizes)
    return name if call.output.dtype == "float32" else writer.cast(name, call.output.dtype)


def _weighed(layer, x):
    """Return images whose rows and columns are weighed sums of those before."""
    x = ops.cast(x, "float32")
    first = 2 if layer.data_format == "channels_first" else 1
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        x = _framed(layer, x, first)
    letters = "bchw" if first == 2 else "bhwc"
    for axis, letter, size in zip((first, first + 1), "hw", layer.size, strict=True):
        weights = _weights(x.shape[axis], size, layer.interpolation, layer.antialias)
        if layer.interpolation == "nearest":
            x = ops.take(x, weights.argmax(axis=1), axis=axis)
        else:
            x = ops.einsum(f"{letters},i{letter}->{letters.replace(letter, 'i')}", x, weights)
    return x


def _weights(before, after, interpolation, antialias):
    """Return what each new row takes of each old one, of shape `(after, before)`."""
    rows = np.eye(before, dtype="float32").reshape(1, before, 1, before)
    options = {"interpolation": interpolation, "antialias": antialias}
    rows = ops.image.resize(rows, (after, 1), data_format="channels_last", **options)
    return array_of(rows).reshape(after, before)


def _framed(layer, x, first):
    """Cut out the largest window of the aspect ratio, or pad to the smallest."""
    sizes, targets = x.shape[first : first + 2], layer.size
    wanted = [
        int(np.float32(other * target) / np.float32(aim))
        for other, target, aim in zip(sizes[::-1], targets, targets[::-1], strict=True)
    ]
    whole = [slice(None)] * 4
    if layer.crop_to_aspect_ratio:
        for axis, size, window in zip((first, first + 1), sizes, wanted, strict=True):
            window = max(min(size, window), 1)
            start = (size - window) // 2
            whole[axis] = slice(start, start + window)
        return x[tuple(whole)]
    pads = [(0, 0)] * 4
    for axis, size, window in zip((first, first + 1), sizes, wanted, strict=True):
        pads[axis] = ((max(size, window) - size) // 2,) * 2
    return ops.pad(x, pads, constant_values=float(layer.fill_value))


@composes(L.Resizing)
def _resizing(layer, images, **kwargs):
    """Round what was whole numbers, as the layer does."""
    is_whole = "int" in images.dtype
    images = ops.image.resize(
        ops.cast(images, "float32"),
        (layer.height, layer.width),
        interpolation=layer.interpolation,
        antialias=layer.antialias,
        crop_to_aspect_ratio=layer.crop_to_aspect_ratio,
        pad_to_aspect_ratio=layer.pad_to_aspect_ratio,
        fill_mode=layer.fill_mode,
        fill_value=layer.fill_value,
        data_format=layer.data_format,
    )
    return ops.round(images) if is_whole else images


@composes(L.CenterCrop)
def _center_crop(layer, images, **kwargs):
    """Cut out the middle; resize an image that is smaller than that."""
    images = ops.cast(images, "float32")
    rows, columns = space(images, layer.data_format)
    top, left = rows - layer.height, columns - layer.width
    if top < 0 or left < 0:
        raise NotImplementedError(f"images of {rows} x {columns} that are smaller than the crop")
    part = (
        slice(top // 2, top // 2 + layer.height),
        slice(left // 2, left // 2 + layer.width),
    )
    is_first = layer.data_format == "channels_first"
    return images[(slice(None), slice(None), *part) if is_first else (slice(None), *part)]


@composes("CropImages")
def _crop_images(operator, images):
    first = 2 if operator.data_format == "channels_first" else 1
    output = operator.compute_output_spec(images)
    part = [slice(None)] * 4
    for axis, start, end in _edges(operator, first, "cropping"):
        old, new = images.shape[axis], output.shape[axis]
        start = old - new - end if start is None else start
        part[axis] = slice(start, start + new)
    return images[tuple(part)]


@composes("PadImages")
def _pad_images(operator, images):
    first = 2 if operator.data_format == "channels_first" else 1
    output = operator.compute_output_spec(images)
    pads = [(0, 0)] * 4
    for axis, start, end in _edges(operator, first, "padding"):
        more = output.shape[axis] - images.shape[axis]
        start = more - end if start is None else start
        pads[axis] = (start, more - start)
    return ops.pad(images, pads)


def _edges(operator, first, what):
    for axis, names in ((first, ("top", "bottom")), (first + 1, ("left", "right"))):
        yield axis, *[getattr(operator, f"{name}_{what}") for name in names]


@composes("RGBToGrayscale")
def _gray(operator, images):
    weights = np.array([0.2989, 0.5870, 0.1140], "float32")
    if operator.data_format == "channels_first":
        return ops.sum(images * weights.reshape(3, 1, 1), axis=-3, keepdims=True)
    return ops.sum(images * weights, axis=-1, keepdims=True)


@composes("ExtractPatches")
def _extract_patches(operator, images):
    """Convolve with a kernel that copies each cell of a patch to a channel of its own."""
    size = (operator.size,) * 2 if isinstance(operator.size, int) else tuple(operator.size)
    channels = images.shape[1 if operator.data_format == "channels_first" else -1]
    copies = np.eye(int(np.prod(size)) * channels, dtype="float32")
    return ops.conv(
        images,
        copies.reshape(*size, channels, -1),
        strides=operator.strides or size,
        padding=operator.padding,
        data_format=operator.data_format,
        dilation_rate=operator.dilation_rate,
    )
