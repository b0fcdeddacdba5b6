"""An operator of a LiteRT file before its result is stored."""

from dataclasses import dataclass, field

import numpy as np


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
    """

    code: str | None
    inputs: list[int]
    shape: tuple
    options: dict = field(default_factory=dict)
    bounds: tuple = (None, None)
    layer: str | None = None
    bias: np.ndarray | None = None
