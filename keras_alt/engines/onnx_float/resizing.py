"""Images in other sizes: upsampling, resizing, cropping, padding, gray values."""

import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.convolutions import as_it_was, channels_first, space
from keras_alt.engines.onnx_float.writer import composes, no_form, writes_float

# Keras' samples lie in the middle of pixels.
INTERPOLATIONS = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
}


def resized(writer, call, images, data_format, interpolation, scales=None, antialias=False):
    """Append a resize to the size of the output, or by factors."""
    if interpolation not in INTERPOLATIONS:
        raise no_form(call, f"interpolation={interpolation!r}")
    if antialias and writer.graph.opsets[""] < 18:
        raise no_form(call, f"antialias=True for opset {writer.graph.opsets['']}")
    attributes = {"coordinate_transformation_mode": "half_pixel", **INTERPOLATIONS[interpolation]}
    attributes |= {"antialias": 1} if antialias else {}
    x = channels_first(writer, images, data_format)
    sizes = space(call.output, data_format)
    if scales is None:
        whole = writer.add("Shape", x)
        kept = writer.add("Slice", whole, [0], [2])
        more = ["", "", writer.add("Concat", kept, writer.graph.integers(sizes), axis=0)]
    else:
        more = ["", writer.constant(np.array([1, 1, *scales]), "float32")]
    x = writer.add("Resize", x, *more, **attributes)
    return as_it_was(writer, x, images, data_format)


@writes_float(L.UpSampling2D)
def _upsampling(writer, call, x):
    layer = call.layer
    return resized(writer, call, x, layer.data_format, layer.interpolation, scales=layer.size)


@writes_float("Resize")
def _resize(writer, call, images):
    layer = call.layer
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise no_form(call, "crop_to_aspect_ratio or pad_to_aspect_ratio")
    if len(images.shape) != 4:
        raise no_form(call, f"images of shape {images.shape}")
    options = {"antialias": layer.antialias}
    return resized(writer, call, images, layer.data_format, layer.interpolation, **options)


@composes(L.Resizing)
def _resizing(layer, images, **kwargs):
    return ops.image.resize(
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
