"""The C source of an integer program."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from keras_alt.engines.c.constants import Constants
from keras_alt.engines.c.elements import ELEMENTS, numbers_within
from keras_alt.engines.c.fusing import Group, fused
from keras_alt.engines.c.layer import Layer
from keras_alt.engines.c.library import Library
from keras_alt.engines.c.moves import MOVES
from keras_alt.engines.c.names import Names
from keras_alt.engines.c.places import Rows
from keras_alt.engines.c.rows import ROWS
from keras_alt.engines.c.types import CType, constant_text, stored
from keras_alt.engines.fitting import ExportError
from keras_alt.integer import Constant, Program, Step, Tensor

POSITIONAL = ("constant", "divisor")  # attributes with numbers for places of a tensor


@dataclass(frozen=True)
class Argument:
    """An array that the caller of the model gives.

    Attributes:
        name: in C.
        tensor: what it holds.
        position: of the tensor.
    """

    name: str
    tensor: Tensor
    position: int

    @property
    def type(self) -> CType:
        return stored(self.tensor)

    @property
    def size(self) -> int:
        """Number of codes."""
        return math.prod(_known(self.tensor.shape))


class Source:
    """The functions, constants and memory of a program.

    Args:
        program: what to write.
        name: of the function that computes it.
        shown: positions of inner tensors that are stored so that one can look at them.

    Attributes:
        inputs, outputs: an `Argument` for each of the program's.
        parts: a `Layer` for each function; a step that needs none is as it was.
        refused: `{layer: reason}`.
    """

    def __init__(self, program: Program, name: str, shown: Container[int] = ()):
        self.program = program
        self.shown = [p for p in range(len(program.tensors)) if p in shown]
        self.names, self.library = Names(), Library()
        self.name = self.names.new(name)
        self.constants = Constants(self.names)
        self.inputs = self._arguments(program.inputs)
        self.outputs = self._arguments(program.outputs)
        self.refused: dict[str, str] = {}
        # What a position holds: another position, a constant or itself.
        self.roots = {p: p for p in program.inputs}
        self.arrays: dict[int, str] = {}
        self.parts = self._parts()

    @property
    def show(self) -> str:
        """Name of the macro that sees codes of inner tensors."""
        return f"{self.name.upper()}_SHOW"

    def size(self, position: int) -> int:
        """Return the number of codes of a tensor."""
        return math.prod(_known(self.program.tensors[position].shape))

    def _arguments(self, positions):
        tensors = [(position, self.program.tensors[position]) for position in positions]
        return [Argument(self.names.new(_short(t.name)), t, p) for p, t in tensors]

    def _parts(self) -> list[Layer | Step]:
        """Return the functions of the model, and the steps that need none, in order."""
        kept = {*self.program.outputs, *self.shown}
        elements = ELEMENTS.keys()
        parts: list[Layer | Step] = []
        for group in fused(self.program, kept, elements, {"reshape", "constant_tensor", *MOVES}):
            try:
                parts.append(self._part(group, len(parts) + 1))
            except ExportError as error:
                self.refused.setdefault(group.steps[-1].layer, str(error))
        return parts

    def _part(self, group: Group, number: int) -> Layer | Step:
        step, tensors = group.steps[0], self.program.tensors
        for position in [*group.inputs, group.output]:
            _known(tensors[position].shape)
        if step.operation == "reshape":
            self.roots[step.output] = self.roots.get(step.inputs[0], step.inputs[0])
            return step
        if step.operation == "constant_tensor":
            constant: Constant = step.attributes["constant"]
            text, ctype = constant_text(constant), stored(tensors[step.output])
            codes = constant.aligned
            array, _ = self.constants.add(f"{step.layer}_array", codes, text, ctype)
            self.roots[step.output], self.arrays[step.output] = step.output, array
            return step
        name = self.names.new(f"layer_{number:02}_{step.layer}")
        layer = Layer(self.program, group, self.library, self.constants, name)
        self._write(layer)
        self.roots[group.output] = group.output
        return layer

    def _write(self, layer: Layer):
        first, *others = layer.group.steps
        elements = [s for s in layer.group.steps if s.operation in ELEMENTS]
        for step in elements:
            layer.hold(numbers_within(self.program, step))
        if first.operation in MOVES:
            MOVES[first.operation](layer, first)
            return
        if first.operation in ROWS:
            tensor = self.program.tensors[first.output]
            layer.hold([tensor.low, tensor.high])
            ROWS[first.operation](layer, first)
        elif first.operation in ELEMENTS:
            if self._is_even(layer.group):
                layer.rows = Rows(layer.output.shape, None)
            layer.load(layer.code(first.inputs[0]), first.inputs[0])
        else:
            raise ExportError(
                f"C has no form of operation '{first.operation}' of layer '{first.layer}': add one "
                "with `keras_alt.engines.c.handles`, or take the layer off the model."
            )
        for step in elements:
            ELEMENTS[step.operation](layer, step)

    def _is_even(self, group: Group) -> bool:
        """Return whether all that a group reads has one number, or one for each code."""
        shape = self.program.tensors[group.output].shape
        if any(self.program.tensors[p].shape != shape for p in group.inputs):
            return False
        attributes = [a for s in group.steps for n, a in s.attributes.items() if n in POSITIONAL]
        shapes = [np.shape(a.codes if isinstance(a, Constant) else a) for a in attributes]
        return all(math.prod(s) == 1 or s == shape for s in shapes)


def _short(name):
    """Return the name of the layer whose output a quantizer takes."""
    return name.removesuffix("/output").removesuffix("/input").removesuffix("/activation")


def _known(shape) -> tuple[int, ...]:
    if None in shape:
        raise ExportError(
            "C needs tensors of known size: build the model with a fixed input shape, or export it "
            f"with `input_shape=`. Received: shape={shape}"
        )
    return shape
