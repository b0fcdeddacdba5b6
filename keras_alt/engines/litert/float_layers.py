"""Converts the float layers around the integers of a LiteRT file with TensorFlow's converter."""

import os
import re
import tempfile

import keras

from keras_alt.engines.fitting import ExportError
from keras_alt.engines.on_tensorflow import on_tensorflow

TAKEN = ("int32", "int64", "bool")  # input types that a file keeps


def input_type(tensor) -> str:
    """Return the file's type for an input of float layers. It is never int8, which means codes."""
    return tensor.dtype if tensor.dtype in TAKEN else "float32"


def input_types(tensors) -> str:
    """Return the names and types of a model's inputs as text for an error."""
    return ", ".join(f"'{tensor.name}' of {tensor.dtype}" for tensor in tensors)


def float_part(model: keras.Model) -> bytes:
    """Return a float model as a separate LiteRT file."""
    with tempfile.TemporaryDirectory() as scratch:
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
    import tensorflow as tf

    def outputs(*arrays):
        x = [tf.cast(a, t.dtype) for a, t in zip(arrays, model.inputs, strict=True)]
        return keras.tree.flatten(model(x, training=False))

    specs = [tf.TensorSpec((1, *t.shape[1:]), input_type(t)) for t in model.inputs]
    function = tf.function(outputs, specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    try:
        data = converter.convert()
    except Exception as error:  # TensorFlow has no public class for it
        raise ExportError(
            "TensorFlow's converter must know the float layers around the quantizers for the types "
            "of their inputs: apply them outside of the model, or give it inputs of float32. "
            f"Received: {', '.join(layer.name for layer in model.operations)} with inputs "
            f"{input_types(model.inputs)}, of which it says: {_cause(error)}"
        ) from error
    with open(path, "wb") as file:
        file.write(data)


def _cause(error):
    """Return the operators that LiteRT lacks, as the converter names them, or its first line."""
    text = str(error)
    lacking = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", text, re.MULTILINE)
    return f"LiteRT has no {', '.join(lacking)}" if lacking else text.splitlines()[0]
