"""Where a layer has its channels, and whether its sizes are known."""

from collections.abc import Sequence

from keras_alt.integer.operations import Pairs
from keras_alt.integer.program import NotIntegerError, Shape, Sizes
from keras_alt.integer.variables import Variable
from keras_alt.padding import is_fixed, paddings


def channels_last(x: Variable, layer) -> Variable:
    """Return a tensor with its channels last. The layer tells where they are."""
    rank = len(x.shape)
    return x.transpose((0, *range(2, rank + 1), 1)) if _channels_first(layer, rank) else x


def channels_as(x: Variable, layer) -> Variable:
    """Return a tensor with its channels where the layer has them. They are last in `x`."""
    rank = len(x.shape)
    if not _channels_first(layer, rank):
        return x
    return x.transpose((0, rank, *range(1, rank)), name=x.tensor.name)


def _channels_first(layer, rank: int) -> bool:
    return rank > 1 and getattr(layer, "data_format", "channels_last") == "channels_first"


def known_size(layer, size: Sequence[int | None]) -> Sizes:
    """Return a size; raise an error if an axis of it is open."""
    if None in size:
        raise NotIntegerError(
            f"Layer '{layer.name}' needs inputs of known size: build the model with a fixed "
            f"input shape, or export it with `input_shape=`. Received: size={tuple(size)}"
        )
    return tuple(n for n in size if n is not None)


def known_paddings(layer, space: Shape, window, strides, dilation) -> Pairs:
    """Return the padding of a layer; raise an error if it depends on an open size."""
    if not is_fixed(layer.padding, space, window, strides, dilation):
        known_size(layer, space)
    return paddings(layer.padding, space, window, strides, dilation)
