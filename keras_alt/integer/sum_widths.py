"""Widths of the accumulators: how large a sum can become."""

from dataclasses import dataclass

import numpy as np

from keras_alt.integer.operations import magnitudes
from keras_alt.integer.reading import Reading
from keras_alt.integer.variables import FLOAT32

INT32 = 2**31 - 1
# The axis of the output channels of a kernel, by operation.
CHANNELS = {"convolve": -1, "convolve_transposed": -2, "matrix_product": -1}


@dataclass(frozen=True)
class Accumulator:
    """The worst case of one kernel layer or matrix product over all inputs and output channels.

    Attributes:
        layer: name.
        worst: `max over channels of sum|w| * max|x| + |b|`, for a product of two tensors
            `terms * max|x| * max|y|`, in units of the product's grid step.
    """

    layer: str
    worst: int

    @property
    def bits(self) -> int:
        """Width of a signed integer that holds every sum."""
        return self.worst.bit_length() + 1

    @property
    def exact_in_float32(self) -> bool:
        """Whether the simulation in float32 computes this layer exactly, in any order."""
        return self.worst <= FLOAT32

    @property
    def fits_int32(self) -> bool:
        return self.worst <= INT32


def _with_bias(sums, kernel, step):
    """Return bounds of sums and their bias, in the unit of the finer of the two.

    Each channel has a unit of its own where the kernel has.
    """
    (product, constant), bias = step.attributes["shifts"], step.attributes["constant"]
    shifts = [
        shift + (0 if c.shifts is None else c.shifts.ravel())
        for shift, c in ((product, kernel), (constant, bias))
    ]
    finest = np.minimum(*shifts)
    return (sums << (shifts[0] - finest)) + (np.abs(bias.codes) << (shifts[1] - finest))


def accumulators(reading: Reading) -> list[Accumulator]:
    """Return the accumulator of each kernel layer and matrix product of a model."""
    program = reading.program
    biases = {step.inputs[0]: step for step in program.steps if step.operation == "add_constant"}
    rows = []
    for step in program.steps:
        if step.operation in CHANNELS:
            x = program.tensors[step.inputs[0]]
            kernel = step.attributes["kernel"]
            weights = magnitudes(kernel.codes, CHANNELS[step.operation])
            sums = weights * max(-x.low, x.high)
            bias = biases.get(step.output)
            if bias is not None:
                sums = _with_bias(sums, kernel, bias)
            rows.append(Accumulator(step.layer, int(sums.max(initial=0))))
        elif step.operation == "batch_matmul":
            total = program.tensors[step.output]
            rows.append(Accumulator(step.layer, max(-total.low, total.high)))
    return rows
