"""Whether a float layer has an ONNX form, before any file is written."""

import types

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.onnx_float.writer import FloatWriter
from keras_alt.graph import Call
from keras_alt.integer import Program


def has_onnx_form(call: Call, graph_writer: type) -> bool:
    """Return whether nodes can be written for one call of a float layer.

    Args:
        call: of the layer.
        graph_writer: subclass of `GraphWriter`, which decides the opset.
    """
    writer = graph_writer(types.SimpleNamespace(program=Program("trial")))
    names = {id(tensor): f"input{i}" for i, tensor in enumerate(call.inputs)}
    try:
        FloatWriter(writer, names, call.inputs).results(call)
    except ExportError:
        return False
    return True
