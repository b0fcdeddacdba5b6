"""The noise that rounding adds to each channel of a network, as a function of its scaling."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_alt.equalization.channels import ChannelClasses
from keras_alt.equalization.kernels import as_groups
from keras_alt.graph import Call

# A channel whose values are below this part of the largest holds no information: training switched
# its filter off, and its output is its bias. Followed blindly, it would be scaled by 2**40.
NEGLIGIBLE = 2.0**-24
# The noise of activations counts this much more than that of kernels, of which many are summed up.
# Chosen on a MobileNetV1 among 0.1 to 400 and flat above 10. The quarter: their codes have no sign.
ACTIVATION_WEIGHT = 10.0 / 4


@dataclass(frozen=True, eq=False)
class Side:
    """The channels of a tensor, which are scaled by the factors of their classes.

    A kernel has two sides, the channels that it reads and those that it writes.

    Attributes:
        classes: of each channel.
        maxima: `(shifts) -> array`, the largest magnitude in each channel once class `c` is scaled
            by `2**shifts[c]`.
        sign: 1 if the channels are multiplied by the factors, -1 if they are divided by them.
        weight: of the noise.
    """

    classes: np.ndarray
    maxima: Callable[[np.ndarray], np.ndarray]
    sign: int = 1
    weight: float = 1.0

    def noise(self, shifts: np.ndarray, live: np.ndarray) -> float:
        """Return the weighted sum of the noise powers of all channels, each against its signal.

        The step is proportional to the power of two at or above the largest value, and the signal
        to the largest value in the channel.

        Args:
            shifts: log2 of the factor of each class.
            live: whether each class counts.
        """
        largest = self.maxima(shifts)[live[self.classes]]
        largest = largest[largest > 0]
        if not len(largest):
            return 0.0
        threshold = np.exp2(np.ceil(np.log2(largest.max())))
        return self.weight * float(np.sum((threshold / largest) ** 2))


def activation(classes: np.ndarray, maxima: np.ndarray) -> Side:
    """Return the side of a tensor that layers compute.

    Args:
        classes: of each channel.
        maxima: the largest magnitude in each channel of the unscaled network.
    """
    return Side(classes, lambda shifts: maxima * np.exp2(shifts[classes]), 1, ACTIVATION_WEIGHT)


class Kernel:
    """The largest weights between each pair of channels.

    Args:
        call: call of a layer with a kernel.
        classes: `ChannelClasses` of its graph.

    Attributes:
        read, written: classes of the channels that it reads and writes, of shapes
            (groups, channels, 1) and (groups, 1, channels). A depthwise kernel has a group for each
            channel.
    """

    def __init__(self, call: Call, classes: ChannelClasses):
        read, written = classes.of(call.inputs[0]), classes.of(call.output)
        kernel = as_groups(call.layer, ops.convert_to_numpy(call.layer.kernel), len(read))
        self.largest = np.abs(kernel).max(axis=0).astype(np.float64)
        groups = len(self.largest)
        self.read, self.written = read.reshape(groups, -1, 1), written.reshape(groups, 1, -1)
        self._known = (None, None)

    def factors(self, shifts: np.ndarray) -> np.ndarray:
        """Return what each weight is multiplied by, of shape (groups, read, written)."""
        return np.exp2(shifts[self.written] - shifts[self.read])

    def sides(self) -> list[Side]:
        """Return the side that writes and the side that reads."""
        writes, reads = (functools.partial(self._maxima, axis=axis) for axis in (1, 2))
        return [Side(self.written.ravel(), writes), Side(self.read.ravel(), reads, sign=-1)]

    def _maxima(self, shifts, axis):
        """Return the largest scaled weights along an axis. Both axes are known at once."""
        read, written = shifts[self.read], shifts[self.written]
        key = read.tobytes() + written.tobytes()
        if self._known[0] != key:
            scaled = self.largest * np.exp2(-read)
            scaled *= np.exp2(written)
            self._known = key, {a: scaled.max(axis=a).ravel() for a in (1, 2)}
        return self._known[1][axis]
