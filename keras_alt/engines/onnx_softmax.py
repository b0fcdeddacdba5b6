"""Writes a softmax as ONNX nodes, by a table of exponentials in integers of 32 bits."""

import numpy as np

from keras_alt.integer import Step


def probabilities(writer, step: Step) -> str:
    """Append the nodes of a step; return the name of the probabilities as float values."""
    from onnx import TensorProto

    a, name, x = step.attributes, writer.name(step.output), writer.tensor(step.inputs[0])
    axis = writer.axis(a["axis"], writer.rank(step.output))

    def over_rows(kind, value):
        inputs, attributes = writer.axes(kind, [axis])
        return writer.add(kind, [value, *inputs], f"{name}/{kind}", keepdims=1, **attributes)

    def number(value):
        return writer.shared(f"int32 {value}", np.int32(value))

    codes = writer.index(step.inputs[0], x.format.qmin)
    below = writer.add("Sub", [over_rows("ReduceMax", codes), codes], f"{name}/below")
    tables = [
        writer.initializer(f"{name}/{which}", a[which].codes.astype(np.int32))
        for which in ("table", "fine")
    ]
    e, fine = (writer.add("Gather", [table, below], f"{table}/taken") for table in tables)
    total = over_rows("ReduceSum", fine)
    total = writer.add("Add", [total, number(2 ** a["guard"] // 2)], f"{name}/risen")
    total = writer.add("Div", [total, number(2 ** a["guard"])], f"{name}/total")
    half = writer.add("Div", [total, number(2)], f"{name}/half")
    scaled = writer.add("Mul", [e, number(2 ** a["bits"])], f"{name}/scaled")
    scaled = writer.add("Add", [scaled, half], f"{name}/numerators")
    shares = writer.add("Div", [scaled, total], f"{name}/shares")
    value = writer.add("Cast", [shares], f"{name}/float", to=TensorProto.FLOAT)
    unit = writer.shared(f"2**-{a['bits']}", np.float32(2.0 ** -a["bits"]))
    return writer.add("Mul", [value, unit], f"{name}/value")
