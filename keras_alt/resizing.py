"""Which layers enlarge an image by whole factors."""

import keras

from keras_alt.graph import Call

L = keras.layers


def enlargement(call: Call, interpolation: str) -> tuple[int, int] | None:
    """Return the whole factors by which a layer enlarges rows and columns, or None.

    Args:
        call: of any layer.
        interpolation: that the layer must have, "nearest" or "bilinear".
    """
    layer = call.layer
    if type(layer) not in (L.UpSampling2D, L.Resizing) or layer.interpolation != interpolation:
        return None
    if type(layer) is L.UpSampling2D:
        return tuple(map(int, layer.size))
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias:
        return None
    space = slice(1, 3) if layer.data_format == "channels_last" else slice(2, 4)
    sizes = call.inputs[0].shape[space]
    if len(call.inputs[0].shape) != 4 or None in sizes:
        return None
    if layer.height % sizes[0] or layer.width % sizes[1]:
        return None
    return layer.height // sizes[0], layer.width // sizes[1]


def has_exact_weights(call: Call) -> bool:
    """Return whether a layer interpolates by weights that are multiples of a power of two."""
    factors = enlargement(call, "bilinear")
    return factors is not None and all(factor & (factor - 1) == 0 for factor in factors)
