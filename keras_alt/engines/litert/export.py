"""Exports to LiteRT (TensorFlow Lite), full INT8.

The integer program is written operator by operator, so the file holds exactly the trained scales.
TensorFlow's converter writes the float layers in front, between and behind.
"""

import os
from collections.abc import Mapping

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.litert.boundary import bytes_as_codes, check_types
from keras_alt.engines.litert.float_layers import input_types
from keras_alt.engines.litert.rules import RULES
from keras_alt.engines.litert.writer import Writer
from keras_alt.files import written_whole
from keras_alt.input_shapes import with_input_shape
from keras_alt.integer import Reading


def to_litert(
    model: keras.Model,
    path: str | os.PathLike,
    inputs: str | None = None,
    outputs: str | None = None,
    input_shape=None,
) -> str:
    """Write a quantized model as a LiteRT file of 8-bit integers.

    No representative data is needed, because the file uses the trained ranges. Weights of fewer
    bits are stored in 8. Inputs and outputs of the file are the codes of the model's first and last
    quantizers. Codes of unsigned quantizers are stored minus 128. An input in front of a float
    layer, or an output behind one, is float. Float layers between quantizers are written in float,
    between DEQUANTIZE and QUANTIZE.

    Args:
        model: calibrated model, quantized with target "litert" or "tflm".
        path: the file to write, by convention `*.tflite`.
        inputs: type of the file's inputs: "int8", "uint8" or "float32". None is "int8", and
            "float32" in front of float layers. Integers in front of float layers are the bytes of
            an input of dtype "uint8", stored minus 128 as int8. A `Rescaling` that only gives bytes
            their scale vanishes.
        outputs: type of the file's outputs, in the same way. Behind float layers, integers need the
            limits of a softmax, sigmoid or tanh.
        input_shape: shape of the file's input without the batch, for a model with open sizes; one
            for each of several inputs, in a list or by name.

    Returns:
        The path.

    Raises:
        ValueError: there is no such type, or the model does not take `input_shape`.
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("ai_edge_litert", "litert")
    check_types(inputs=inputs, outputs=outputs)
    model = with_input_shape(model, input_shape)
    write_litert(fitting_program(model, *RULES), path, inputs, outputs)
    return os.fspath(path)


def write_litert(
    reading: Reading,
    path: str | os.PathLike,
    inputs: str | None = None,
    outputs: str | None = None,
) -> dict[int, str]:
    """Write a program as a LiteRT file; check that it loads and has the trained scales.

    Args:
        reading: from `keras_alt.integer.read`.
        path, inputs, outputs: as in `to_litert`.

    Returns:
        `{position: name of its tensor}` for each position that the file stores. Several positions
        may share a tensor.
    """
    if inputs in ("int8", "uint8"):
        reading = bytes_as_codes(reading)
    writer = Writer(reading, inputs, outputs)
    data = writer.written()
    _require_loading(data, reading.entry.inputs)
    check_scales(data, writer.exponents, writer.factors)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
    return writer.names()


def check_scales(
    data: bytes, exponents: dict[str, int | np.ndarray], factors: Mapping[str, np.ndarray] = {}
):
    """Read a file back and check that every integer tensor has its trained scale.

    Args:
        exponents: `{name: log2 of the trained scale}` of activations, kernels and biases.
        factors: `{name: factor of that scale}`, for the kernels of `single_rounding`.
    """
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=data).get_tensor_details()
    scales = {d["name"]: d["quantization_parameters"]["scales"].tolist() for d in details}
    for name, exponent in exponents.items():
        scale = 2.0**exponent * factors.get(name, 1.0)
        if scales.get(name) != np.atleast_1d(scale).tolist():
            raise ExportError(
                f"The scale of '{name}' must be 2**{exponent} in the file. "
                f"Received: {scales.get(name)}"
            )


def _require_loading(data, inputs):
    """Let LiteRT prepare the operators, because only this step checks the types of tensors."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        Interpreter(model_content=data).allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            "LiteRT must be able to load the file: give the model inputs of float32 or int32, or "
            "apply its float layers outside of it. "
            f"Received: inputs {input_types(inputs)}, of which LiteRT says: {error}"
        ) from error
