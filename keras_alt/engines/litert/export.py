"""Export to LiteRT (TensorFlow Lite), full INT8.

The integer program is written operator by operator, so that the file holds the trained scales and
nothing else. Float layers in front and behind go through TensorFlow's own converter.
"""

import os

import keras

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.litert.float_layers import input_types
from keras_alt.engines.litert.writer import Writer
from keras_alt.files import written_whole
from keras_alt.integer import Reading


def to_litert(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as a LiteRT file of 8-bit integers.

    No representative data is needed: the ranges are those that were trained. Weights of fewer bits
    are stored in 8. Inputs and outputs of the file are the codes of the model's first and last
    quantizers, minus 128 where a quantizer is unsigned; they are float where float layers stand in
    front of, or behind, the quantizers.

    Args:
        model: quantized with target "litert", calibrated.
        path: of the file to write, `*.tflite` by custom.

    Returns:
        The path.

    Raises:
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("ai_edge_litert", "litert")
    write_litert(fitting_program(model, "litert"), path)
    return os.fspath(path)


def write_litert(reading: Reading, path: str | os.PathLike) -> dict[int, str]:
    """Write a program as a LiteRT file, which loads and has the trained scales.

    Returns:
        For each position that the file stores the name of its tensor; several may share one.
    """
    writer = Writer(reading)
    data = writer.written()
    _require_loading(data, reading.entry.inputs)
    check_scales(data, writer.exponents)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
    return writer.names()


def check_scales(data: bytes, exponents: dict[str, int]):
    """Read a file back; the scale of every integer tensor must be the trained power of two.

    Args:
        exponents: log2 of the trained scales of activations, kernels and biases by name.
    """
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=data).get_tensor_details()
    scales = {d["name"]: d["quantization_parameters"]["scales"].tolist() for d in details}
    for name, exponent in exponents.items():
        if scales.get(name) != [2.0**exponent]:
            raise ExportError(
                f"The scale of '{name}' must be 2**{exponent} in the file. "
                f"Received: {scales.get(name)}"
            )


def _require_loading(data, inputs):
    """LiteRT looks at the types of tensors only when it prepares the operators."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        Interpreter(model_content=data).allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            "LiteRT must be able to load the file: give the model inputs of float32 or int32, or "
            "apply its float layers outside of it. "
            f"Received: inputs {input_types(inputs)}, of which LiteRT says: {error}"
        ) from error
