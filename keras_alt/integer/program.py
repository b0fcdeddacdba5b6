"""A quantized model as a list of integer operations."""

from dataclasses import dataclass, field

import keras
import numpy as np

from keras_alt.formats import FixedPoint


@dataclass(frozen=True)
class Tensor:
    """What the codes of an integer tensor mean.

    A code `c` is worth `c * 2**exponent / divisor`.

    Attributes:
        name: of the quantizer, or the layer, that it comes from.
        shape: without the batch.
        exponent: log2 of the grid step.
        low, high: bounds of the codes, for any input.
        format: number format behind a quantizer, None for sums.
        divisor: cells of an average whose sum this is: an integer, or an array.
    """

    name: str
    shape: tuple
    exponent: int
    low: int
    high: int
    format: FixedPoint | None = None
    divisor: int | np.ndarray = 1


@dataclass(frozen=True)
class Step:
    """One integer operation.

    Attributes:
        operation: name of a function in `keras_alt.integer.arithmetic`.
        layer: name of the Keras layer that it belongs to.
        inputs, output: positions in `Program.tensors`.
        attributes: further arguments of the function.
    """

    operation: str
    layer: str
    inputs: tuple[int, ...]
    output: int
    attributes: dict


@dataclass
class Program:
    """The integer form of a quantized model.

    Attributes:
        name: of the model.
        target: name of the engine rules.
        inputs: positions of the tensors that `entry` gives.
        outputs: positions of the tensors in front of the model's float tail, one or more for each
            output of the model.
        tensors, steps: see `Tensor`, `Step`; steps in the order of computation.
        entry: float model up to the first quantizers (layers such as Rescaling).
        tail: names of the float layers behind the last quantizers.
        taps: position of each symbolic tensor of the Keras model that a quantizer node gives, and
            of those in front of the float tail.
    """

    name: str
    target: str
    entry: keras.Model | None = None
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    taps: dict = field(default_factory=dict)

    def add_tensor(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_step(self, operation: str, layer: str, inputs, tensor: Tensor, **attributes) -> int:
        """Append an operation; return the position of its output."""
        output = self.add_tensor(tensor)
        self.steps.append(Step(operation, layer, tuple(inputs), output, attributes))
        return output
