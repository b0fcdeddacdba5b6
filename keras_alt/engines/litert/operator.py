"""An operator of a LiteRT file whose result is not stored yet."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Operator:
    """An operator that is written when it is known how its result is stored.

    Attributes:
        code: name of the operator in the schema; None clips only.
        inputs: indices of tensors in the file.
        shape: of its result, without the batch.
        options: of the operator, by their names in the schema.
        bounds: lowest and highest value of the result, in its units; None where it is not clipped.
        layer: name of the layer after which the bias is named, for operators with a kernel.
        bias: codes, for operators with a kernel.
    """

    code: str | None
    inputs: list[int]
    shape: tuple
    options: dict = field(default_factory=dict)
    bounds: tuple = (None, None)
    layer: str | None = None
    bias: np.ndarray | None = None
