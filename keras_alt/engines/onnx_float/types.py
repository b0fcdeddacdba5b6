"""The types in which an ONNX file holds Keras tensors."""

import keras
import numpy as np

KEPT = ("int32", "int64", "bool")  # types of inputs that a file keeps; others are floats in it


def stored(dtype) -> str:
    """Return the type in which a file holds values of a Keras type: all floats have 32 bits."""
    name = keras.backend.standardize_dtype(dtype)
    return "float32" if "float" in name else name


def input_type(tensor) -> str:
    """Return the type of a file's input."""
    return tensor.dtype if tensor.dtype in KEPT else "float32"


def element_type(dtype) -> int:
    """Return ONNX's number for a Keras type."""
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(stored(dtype)))
