"""The channel axis of what a layer computes."""

from keras import ops


def channel_axis(layer) -> int:
    """Return the axis of the channels: 1 with `data_format="channels_first"`, else -1."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def along_channels(layer, vector):
    """Return `vector`, one value for each channel, in a shape that broadcasts over the output."""
    rank = getattr(layer, "rank", 0)
    if channel_axis(layer) == 1:
        return ops.reshape(vector, (1, -1) + (1,) * rank)
    return ops.reshape(vector, (1,) * (rank + 1) + (-1,)) if rank else vector


def add_bias(layer, y, bias):
    """Return `y + bias`; `y` itself if there is no bias."""
    if bias is None:
        return y
    if channel_axis(layer) == 1:
        # Keras on TensorFlow takes a second operand for a bias of the last axis if sizes agree.
        return ops.add(along_channels(layer, bias), y)
    return ops.add(y, along_channels(layer, bias))
