"""Converts the float layers of a LiteRT file with TensorFlow's converter."""

import os
import re

import keras

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.on_tensorflow import on_tensorflow
from keras_alt.files import scratch_folder
from keras_alt.graph import Graph, cut
from keras_alt.transforms import in_float32

# Layers that TensorFlow's converter cannot write: LiteRT has no operator for them.
UNWRITTEN = ("AveragePooling3D",)
TAKEN = ("int32", "int64", "bool")  # input types that a file keeps


def input_type(tensor) -> str:
    """Return the file's type for an input of float layers. It is never int8, which means codes."""
    return tensor.dtype if tensor.dtype in TAKEN else "float32"


def input_types(tensors) -> str:
    """Return the names and types of a model's inputs as text for an error."""
    return ", ".join(f"'{tensor.name}' of {tensor.dtype}" for tensor in tensors)


def float_part(model: keras.Model) -> bytes:
    """Return a float model as a separate LiteRT file, which computes in float32."""
    model = in_float32(model)  # LiteRT has no kernels for bfloat16
    with scratch_folder() as scratch:
        path = os.path.join(scratch, "part.tflite")
        if keras.backend.backend() == "tensorflow":
            write_float_part(model, path)
        else:
            statement = "keras_alt.engines.litert.float_layers.write_float_part(model, path)"
            on_tensorflow(model, statement, path)
        with open(path, "rb") as file:
            return file.read()


def write_float_part(model: keras.Model, path: str):
    """Write a float model with inputs of `input_type`, using TensorFlow's converter."""
    try:
        data = _converted(model)
    except Exception as error:  # TensorFlow has no public class for it
        names, message = _refused(model) or (_names(model), str(error))
        raise ExportError(
            "TensorFlow's converter must know every float layer for the types of its inputs: apply "
            "the layer outside of the model, or give the model inputs of float32. "
            f"Received: layer '{names}' with inputs of the model {input_types(model.inputs)}, "
            f"of which it says: {_cause(message)}"
        ) from error
    with open(path, "wb") as file:
        file.write(data)


def _converted(model):
    import tensorflow as tf

    def outputs(*arrays):
        x = [tf.cast(a, t.dtype) for a, t in zip(arrays, model.inputs, strict=True)]
        return keras.tree.flatten(model(x, training=False))

    specs = [tf.TensorSpec((1, *t.shape[1:]), input_type(t)) for t in model.inputs]
    function = tf.function(outputs, specs).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()


def _refused(model):
    """Return the name of the first layer that does not convert by itself, and what is said of it.

    Returns None if each layer converts.
    """
    graph = Graph(model)
    for call in graph.calls:
        try:
            _converted(cut(graph, list(dict.fromkeys(call.inputs)), list(call.outputs)))
        except Exception as error:
            return call.layer.name, str(error)
    return None


def _names(model):
    return "', '".join(call.layer.name for call in Graph(model).calls)


def _cause(message):
    """Return the operators that LiteRT lacks, or the first line of the message."""
    missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op", message)))
    return f"LiteRT has no {', '.join(missing)}" if missing else message.splitlines()[0]
