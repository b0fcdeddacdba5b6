"""An operator of a LiteRT file before its result is stored."""

from dataclasses import dataclass, field

import numpy as np

from keras_alt.integer import Constant


@dataclass(frozen=True)
class Operator:
    """An operator that is written once the format of its result is known.

    Attributes:
        code: name of the operator in the schema; None only clips.
        inputs: indices of tensors in the file.
        shape: shape of the result, without the batch.
        options: options of the operator, by their names in the schema.
        bounds: lowest and highest value of the result, in its units; None is no bound.
        layer: for operators with a kernel, the layer whose name the bias gets.
        bias: for operators with a kernel, the codes of the bias.
        shifts: for operators with a kernel, how many bits coarser than the finest grid that of each
            channel's sums is, or None if all have the same.
    """

    code: str | None
    inputs: list[int]
    shape: tuple
    options: dict = field(default_factory=dict)
    bounds: tuple = (None, None)
    layer: str | None = None
    bias: np.ndarray | None = None
    shifts: np.ndarray | None = None


def channel_shifts(constant: Constant, channels: int) -> np.ndarray | None:
    """Return the `shifts` of an operator with so many channels, which may repeat a constant's."""
    if constant.shifts is None:
        return None
    return np.tile(constant.shifts.ravel(), channels // constant.shifts.size)
