"""Tables of codes as LiteRT operators."""

import numpy as np

from keras_alt.engines.litert.flatbuffer import LiteRTFile
from keras_alt.engines.litert.operators import handles
from keras_alt.engines.litert.stored import zero_point


@handles("lookup")
def _lookup(writer, step):
    """Write a table as the operator that computes it, or else as a GATHER from its bytes.

    An operator is taken only if it gives the same code for every entry. It is run on all of them.
    """
    program = writer.program
    x, y = program.tensors[step.inputs[0]], program.tensors[step.output]
    table, first = step.arguments["table"], step.attributes["first"]
    codes, entries = _reached(x, table, first)
    for code in writer.rules.functions:
        if _computes(code, x, y, codes, entries):
            writer.file.operator(code, [writer.at(step.inputs[0])], [writer.store(step.output)])
            return
    _gather(writer, step, x, y, table, first)


def _reached(x, table, first):
    """Return the codes that a tensor can have, and the entries of the table for them."""
    codes = np.arange(max(x.low, first), min(x.high, first + len(table) - 1) + 1)
    return codes, table[codes - first]


def _computes(code, x, y, codes, entries):
    """Return whether a LiteRT operator maps every code as the table does."""
    from ai_edge_litert.interpreter import Interpreter

    file = LiteRTFile(code)
    grids = [{"scale": 2.0**t.exponent, "zero_point": zero_point(t)} for t in (x, y)]
    given = file.tensor("x", codes.shape, **grids[0])
    result = file.tensor("y", codes.shape, **grids[1])
    file.operator(code, [given], [result])
    interpreter = Interpreter(model_content=file.finish({"x": given}, {"y": result}))
    try:
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return False  # the operator wants another output grid
    stored = (codes + zero_point(x)).astype(np.int8)[None]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], stored)
    interpreter.invoke()
    computed = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return np.array_equal(computed[0] - zero_point(y), entries)


def _gather(writer, step, x, y, table, first):
    schema, name = writer.file.schema.TensorType, writer.name(step.output)
    index = writer.file.tensor(f"{name}/code", x.shape, "int32")
    types = {"inDataType": schema.INT8, "outDataType": schema.INT32}
    writer.file.operator("CAST", [writer.at(step.inputs[0])], [index], **types)
    lowest = first + zero_point(x)
    if lowest:
        below = writer.values(f"{name}/lowest", -lowest)
        shifted = writer.file.tensor(f"{name}/index", x.shape, "int32")
        writer.file.operator("ADD", [index, below], [shifted])
        index = shifted
    zero = zero_point(y)
    entries = writer.constant(f"{name}/table", (table + zero).astype(np.int8), y.exponent, zero)
    writer.file.operator("GATHER", [entries, index], [writer.store(step.output)])
