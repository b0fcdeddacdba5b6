"""One C function of a model, which computes a group of steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from keras_alt.engines.c.constants import Constants, Kernel
from keras_alt.engines.c.fusing import Group
from keras_alt.engines.c.library import Library
from keras_alt.engines.c.names import comment
from keras_alt.engines.c.places import Rows
from keras_alt.engines.c.types import (
    SUMS,
    CType,
    constant_text,
    format_text,
    holding,
    scaled,
    shape_text,
    stored,
)
from keras_alt.integer import Constant, Program, Step, Tensor


class Layer:
    """A function that passes the rows of its result, and the codes of each row.

    It has a loop over rows and a loop over codes within. In the inner loop, the variable `c` holds
    one code. Handlers append the statements.

    Args:
        program: what the file computes.
        group: the steps of the function.
        library, constants: the functions and arrays of the file.
        name: of the function.

    Attributes:
        rows: how the loops pass the result.
        sum: type of `c`.
        current: position of the tensor that `c` holds a code of.
        parameters: `{position: name}` of what the function reads.
        scratch: `{name: (type, length)}` of the arrays that the function needs, for a row of sums
            for instance.
        before: statements for each row, in front of the loop over its codes.
        lines: statements for each code.
        notes: what the constants of the function are.
        body: all statements, if the function has other loops.
    """

    def __init__(
        self, program: Program, group: Group, library: Library, constants: Constants, name: str
    ):
        self.program, self.group, self.name = program, group, name
        self.library, self.constants = library, constants
        self.parameters = {p: f"x{i or ''}" for i, p in enumerate(group.inputs)}
        self.rows = Rows(self.output.shape)
        self.sum: CType = SUMS[0]
        self.current = group.inputs[0]
        self.scratch: dict[str, tuple[CType, int]] = {}
        self.before: list[str] = []
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.body: list[str] = []

    @property
    def output(self) -> Tensor:
        return self.program.tensors[self.group.output]

    def operand(self, step: Step, number: int = 0) -> tuple[str, Tensor, CType]:
        """Return parameter, tensor and type of an operand that the function reads."""
        position = step.inputs[number]
        tensor = self.program.tensors[position]
        return self.parameters[position], tensor, stored(tensor)

    # For operations that compute code by code

    def load(self, expression: str, position: int):
        """Begin with a code of a tensor in `c`."""
        self.current = position
        self.lines.append(f"{self.sum.name} c = {expression};")

    def let(self, step: Step, expression: str):
        """Give `c` the result of a step."""
        self.current = step.output
        tensor = self.program.tensors[step.output]
        # clang warns of `c = c`, which a step writes that changes no code.
        statement = "" if expression == "c" else f"c = {expression}; "
        self.lines.append(statement + comment(_named(tensor)))

    def code(self, position: int, shift: int = 0) -> str:
        """Return the code of an operand at the place of `c`, shifted left."""
        if position == self.current and self.lines:
            return scaled("c", shift)
        place = self.rows.place(self.program.tensors[position].shape)
        return scaled(f"({self.sum.name}){self.parameters[position]}[{place}]", shift)

    def number(self, step: Step, name: str, constant: Constant, shift: int = 0) -> str:
        """Return the number of a constant at the place of `c`, shifted left."""
        numbers = constant.aligned
        if numbers.size == 1:
            return str(int(numbers.ravel()[0]) << shift)
        array, _ = self.constants.add(f"{step.layer}_{name}", numbers, constant_text(constant))
        self.notes.append(f"{array}: {constant_text(constant)}")
        return scaled(f"({self.sum.name}){array}[{self.rows.place(numbers.shape)}]", shift)

    def hold(self, numbers: Iterable[int]):
        """Make `c` wide enough for numbers."""
        low, high = self.sum.low, self.sum.high
        self.sum = holding(min(low, *numbers), max(high, *numbers), SUMS)

    # For operations that compute a row at a time

    def begin(self, ctype: CType, call: str):
        """Compute a row of numbers of a type by a statement, which calls the array `row`."""
        self.scratch["row"] = (ctype, self.rows.length)
        self.before.append(call)

    def kernel(self, step: Step, codes, order: str) -> Kernel:
        """Return the weights of a step in an order of axes, which is told in words."""
        constant = step.attributes["kernel"]
        name, what = f"{step.layer}_kernel", f"{constant_text(constant)}; here {order}"
        kernel = self.constants.kernel(name, codes, constant.format, what, self.library)
        self.notes.append(f"{kernel.array}: {constant_text(constant)}")
        return kernel

    # The text

    def head(self) -> str:
        tensors = {name: self.program.tensors[p] for p, name in self.parameters.items()}
        given = [f"const {stored(t).name} *restrict {name}" for name, t in tensors.items()]
        given.append(f"{stored(self.output).name} *restrict y")
        given += [f"{ctype.name} *restrict {name}" for name, (ctype, _) in self.scratch.items()]
        return f"static void {self.name}({', '.join(given)})"

    def text(self) -> str:
        body = self.body or self._loops()
        return "\n".join([self._comment(), self.head(), "{", *_indented(body), "}"])

    def _comment(self):
        steps = self.group.steps
        read = [(name, self.program.tensors[p]) for p, name in self.parameters.items()]
        layers = ", ".join(dict.fromkeys(step.layer for step in steps))
        tensors = [
            f"{name} = {_named(tensor)}, {shape_text(tensor.shape)}"
            for name, tensor in [*read, ("y", self.output)]
        ]
        lines = [f"{layers}: {', '.join(step.operation for step in steps)}", *tensors, *self.notes]
        return comment(*lines)

    def _loops(self):
        place = self.rows.place(self.output.shape)
        codes = [*self.lines, f"y[{place}] = ({stored(self.output).name})c;"]
        inner = [*self.before, *loop("i", self.rows.length, codes)]
        is_one_row = self.rows.count == 1 and not re.search(r"\bat\b", " ".join(self.before))
        return inner if is_one_row else loop("at", self.rows.count, inner)


def loop(counter: str, count: int, lines: Sequence[str]) -> list[str]:
    """Return a loop over statements."""
    head = f"for (int32_t {counter} = 0; {counter} < {count}; {counter}++) {{"
    return [head, *_indented(lines), "}"]


def _indented(lines):
    return [f"    {line}" for line in lines]


def _named(tensor):
    return f"{tensor.name}: {format_text(tensor)}"
