"""Computation of an integer program in NumPy."""

from collections.abc import Container

import numpy as np

from keras_alt.integer.operations import OPERATIONS
from keras_alt.integer.program import Program


def trace(
    program: Program, codes: list[np.ndarray], keep: Container[int] | None = None
) -> dict[int, np.ndarray]:
    """Return the codes of tensors by position: all of them, or those in `keep`.

    Args:
        program: `Reading.program`, for instance.
        codes: int64 arrays, one for each of `program.inputs`.
        keep: positions.
    """
    values = dict(zip(program.inputs, codes, strict=True))
    last_use = {p: i for i, step in enumerate(program.steps) for p in step.inputs}
    for i, step in enumerate(program.steps):
        operands = [values[p] for p in step.inputs]
        values[step.output] = OPERATIONS[step.operation].compute(*operands, **step.arguments)
        for p in step.inputs:
            if keep is not None and last_use[p] == i and p not in keep:
                values.pop(p, None)
    return values
