"""Writes a softmax by a table of exponentials, in integers of 32 bits."""

from dataclasses import replace

from keras_alt.engines.litert.operator import Operator
from keras_alt.engines.litert.stored import zero_point
from keras_alt.integer import Step


class Integers:
    """Appends operators that give integers of 32 bits.

    Args:
        writer: `keras_alt.engines.litert.writer.Writer`.
        name: beginning of the names of the tensors.
    """

    def __init__(self, writer, name: str):
        self.writer, self.name = writer, name

    def append(self, code: str, inputs: list[int], what: str, shape, **options) -> int:
        """Append an operator; return the index of its result, which is named after `what`."""
        result = self.writer.file.tensor(f"{self.name}/{what}", shape, "int32")
        self.writer.file.operator(code, inputs, [result], **options)
        return result

    def number(self, value: int, what: str) -> int:
        """Add a constant; return its index."""
        return self.writer.values(f"{self.name}/{what}", value)

    def by_number(self, code: str, index: int, value: int, what: str, shape) -> int:
        """Append an operator of a tensor and a constant; return the index of its result."""
        return self.append(code, [index, self.number(value, f"{what}/by")], what, shape)

    def codes(self, index: int, what: str, shape) -> int:
        """Append a CAST of stored bytes; return the index of its result."""
        schema = self.writer.file.schema.TensorType
        types = {"inDataType": schema.INT8, "outDataType": schema.INT32}
        return self.append("CAST", [index], what, shape, **types)


def probabilities(writer, step: Step) -> Operator:
    """Return the pending DIV that gives the probabilities of a step."""
    a, name, position = step.attributes, writer.name(step.output), step.inputs[0]
    integers, x = Integers(writer, name), writer.program.tensors[position]
    row = tuple(1 if i == a["axis"] else n for i, n in enumerate(x.shape, start=1))
    axes = writer.values(f"{name}/axes", [a["axis"]])
    stored, top = writer.at(position), writer.add(x, f"{name}/top", row)
    writer.file.operator("REDUCE_MAX", [stored, axes], [top], keepDims=True)
    both = integers.codes(top, "top_code", row), integers.codes(stored, "code", x.shape)
    below = integers.append("SUB", list(both), "below", x.shape)
    tables = [writer.values(f"{name}/{which}", a[which].codes) for which in ("table", "fine")]
    e = integers.append("GATHER", [tables[0], below], "exponentials", x.shape)
    fine = integers.append("GATHER", [tables[1], below], "terms", x.shape)
    total = integers.append("SUM", [fine, axes], "sum", row, keepDims=True)
    total = integers.by_number("ADD", total, 2 ** a["guard"] // 2, "sum_risen", row)
    total = integers.by_number("DIV", total, 2 ** a["guard"], "total", row)
    half = integers.by_number("DIV", total, 2, "half", row)
    scaled = integers.by_number("MUL", e, 2 ** a["bits"], "scaled", x.shape)
    numerators = integers.append("ADD", [scaled, half], "numerators", x.shape)
    return Operator("DIV", [numerators, total], x.shape)


def rounded(writer, operator: Operator, step: Step) -> Operator:
    """Return the pending CAST of probabilities, rounded half up to the grid of a step.

    A shift that is larger than needed gives the same codes: 0, or the highest for all but 0.
    """
    p, y = (writer.program.tensors[position] for position in (*step.inputs, step.output))
    integers, shape = Integers(writer, writer.name(step.output)), operator.shape
    codes, shift = (
        integers.append("DIV", operator.inputs, "shares", shape),
        step.attributes["shift"],
    )
    if shift > 0:
        step_size = 2 ** min(shift, p.high.bit_length() + 1)
        codes = integers.by_number("ADD", codes, step_size // 2, "risen", shape)
        codes = integers.by_number("DIV", codes, step_size, "rounded", shape)
    codes = integers.by_number("MINIMUM", codes, y.high, "clipped", shape)
    if shift < 0:
        codes = integers.by_number(
            "MUL", codes, 2 ** min(-shift, y.high.bit_length()), "finer", shape
        )
        codes = integers.by_number("MINIMUM", codes, y.high, "bounded", shape)
    if zero_point(y):
        codes = integers.by_number("ADD", codes, zero_point(y), "stored", shape)
    schema = writer.file.schema.TensorType
    options = {"inDataType": schema.INT32, "outDataType": schema.INT8}
    return replace(operator, code="CAST", inputs=[codes], options=options)
