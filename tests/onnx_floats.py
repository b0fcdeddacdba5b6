"""Float models as ONNX files of their own, compared with Keras."""

import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_alt.engines.onnx_float.types import element_type, input_type
from keras_alt.engines.onnxruntime.export import QDQWriter
from keras_alt.engines.qonnx.export import QuantWriter
from keras_alt.integer.program import Program

onnx = pytest.importorskip("onnx", reason="the `onnx` extra is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed")
WRITERS = {"onnx": QDQWriter, "qonnx": QuantWriter}  # they write different opsets
EVERY_OPSET = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
IMAGE, LINE, SERIES, VOLUME = (6, 8, 4), (8,), (7, 4), (4, 6, 5, 2)


def written(model, cls=QDQWriter):
    """Return an ONNX model of float layers alone."""
    helper = onnx.helper
    writer = cls(types.SimpleNamespace(program=Program("float")))
    names = {id(tensor): f"input{i}" for i, tensor in enumerate(model.inputs)}
    infos = [
        helper.make_tensor_value_info(
            names[id(t)], element_type(input_type(t)), ("batch", *t.shape[1:])
        )
        for t in model.inputs
    ]
    floats = writer.float_layers(model, names)
    results = [
        helper.make_tensor_value_info(
            floats.add("Identity", floats.operand(t)), element_type(t.dtype), (None, *t.shape[1:])
        )
        for t in model.outputs
    ]
    graph = helper.make_graph(writer.nodes, "float", infos, results, writer.initializers)
    opsets = [helper.make_opsetid("", writer.opsets[""])]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def assert_same(model, rng, cls=QDQWriter, arrays=None, atol=1e-5):
    """Compare every output of a float model with that of its ONNX nodes."""
    arrays = [drawn(t, rng) for t in model.inputs] if arrays is None else arrays
    proto = written(model, cls)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {
        f"input{i}": a.astype(input_type(t))
        for i, (a, t) in enumerate(zip(arrays, model.inputs, strict=True))
    }
    computed = session.run(None, feed)
    expected = keras.tree.flatten(model(arrays if len(arrays) > 1 else arrays[0], training=False))
    for one, other, tensor in zip(computed, expected, model.outputs, strict=True):
        other = np.asarray(ops.convert_to_numpy(other))
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=atol, rtol=1e-4, err_msg=tensor.name)


def drawn(tensor, rng):
    shape = (3, *[5 if n is None else n for n in tensor.shape[1:]])
    if "int" in tensor.dtype:
        return rng.integers(0, 6, shape).astype(tensor.dtype)
    return rng.normal(size=shape).astype("float32")
