"""Exports to ONNX with QuantizeLinear and DequantizeLinear around integer codes (QDQ)."""

import os

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.onnx_graph import GraphWriter
from keras_alt.files import written_whole
from keras_alt.input_shapes import with_input_shape
from keras_alt.integer import Reading

OPSETS = range(13, 26)  # ONNX Runtime computes the same codes from each of them
WIDE = 21  # the first opset that knows INT4, INT16 and UINT16


def to_onnx(
    model: keras.Model, path: str | os.PathLike, input_shape=None, opset: int = WIDE
) -> str:
    """Write a quantized model as an ONNX file with integer weights.

    Inputs and outputs are float, in Keras' order of axes. The first node quantizes the input.
    Kernels of up to 4 bits are stored as INT4, biases as INT32. Float layers between quantizers are
    written in float.

    Args:
        model: calibrated model, quantized with target "onnx".
        path: the file to write, by convention `*.onnx`.
        input_shape: shape of the file's input without the batch, for a model with open sizes; one
            for each of several inputs, in a list or by name.
        opset: version of ONNX' operators, from 13 to 25. Before 21, kernels of up to 4 bits are
            stored as INT8, and kernels and activations have 8 bits at most.

    Returns:
        The path.

    Raises:
        ValueError: the model does not take `input_shape`, or `opset` is another.
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("onnx", "onnx")
    if not isinstance(opset, int) or opset not in OPSETS:
        raise ValueError(
            f"`opset` must be from {OPSETS[0]}, the first with the operators that are needed, to "
            f"{OPSETS[-1]}, the last that was tested. Received: opset={opset!r}"
        )
    model = with_input_shape(model, input_shape)
    write_onnx(fitting_program(model, "onnxruntime"), path, opset)
    return os.fspath(path)


def write_onnx(reading: Reading, path: str | os.PathLike, opset: int = WIDE) -> dict[int, str]:
    """Write a program as an ONNX file.

    Args:
        reading: from `keras_alt.integer.read`.
        path, opset: as in `to_onnx`.

    Returns:
        `{position: name of the tensor with its codes}` for each position on a grid.
    """
    import onnx

    writer = QDQWriter(reading, opset)
    proto = writer.model()
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            "The operators of the file must exist in its opset: choose a later one. "
            f"Received: opset={opset}, of which ONNX says: {str(error).strip().splitlines()[0]}"
        ) from error
    with written_whole(path) as temporary:
        onnx.save(proto, temporary)
    return writer.held


class QDQWriter(GraphWriter):
    """Holds codes as integers. A DequantizeLinear turns them into values."""

    def __init__(self, reading: Reading, opset: int = WIDE):
        from onnx import helper

        super().__init__(reading)
        self.opsets = {"": opset}
        self.ir_version = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])

    def store(self, value, position, rounding="half_even"):
        if rounding != "half_even":
            raise ExportError(f"ONNX rounds half to even. Received: rounding={rounding!r}")
        tensor, name = self.tensor(position), self.name(position)
        zero = zero_point(tensor)
        self.require_width(tensor.name, tensor.format)
        grid = [self.scale(tensor.exponent), self.number(zero)]
        low, high = (int(zero) + code for code in (tensor.low, tensor.high))
        limits = np.iinfo(zero.dtype)
        if (low, high) == (limits.min, limits.max):
            return self.add("QuantizeLinear", [value, *grid], name)
        if limits.bits == 8:  # a Clip in front of the quantizer would run in float
            codes = self.add("QuantizeLinear", [value, *grid], f"{name}/unclipped")
            return self.add("Clip", [codes, *self.bounds(low, high, zero.dtype)], name)
        step = 2.0**tensor.exponent
        bounds = self.bounds(tensor.low * step, tensor.high * step, np.float32)
        value = self.add("Clip", [value, *bounds], f"{name}/clipped")
        return self.add("QuantizeLinear", [value, *grid], name)

    def require_width(self, name, format):
        """Raise an error if the opset has no type for a tensor."""
        if format.bits > 8 and self.opsets[""] < WIDE:
            raise ExportError(
                f"ONNX holds tensors of more than 8 bits from opset {WIDE} on. Received: "
                f"opset={self.opsets['']}, and '{name}' as {format}"
            )

    def bounds(self, low, high, dtype):
        return [self.number(np.array(value, dtype)) for value in (low, high)]

    def value(self, position):
        if position in self.sums:
            return self.sums[position]
        tensor = self.tensor(position)
        name = f"{self.name(position)}/value{len(self.nodes)}"
        return self.dequantized(self.at(position), name, tensor.exponent, zero_point(tensor))

    def index(self, position, first):
        from onnx import TensorProto

        lowest = int(zero_point(self.tensor(position))) + first
        stored = self.at(position)
        codes = self.add("Cast", [stored], f"{stored}/index{len(self.nodes)}", to=TensorProto.INT32)
        return self.add("Sub", [codes, self.number(np.int32(lowest))]) if lowest else codes

    def taken(self, table, index, position, name):
        zero = zero_point(self.tensor(position))
        entries = self.initializer(f"{name}/table", (table.codes + int(zero)).astype(zero.dtype))
        return self.add("Gather", [entries, index], name)

    def regridded(self, position):
        """Return the maximum of the value with itself.

        Otherwise ONNX Runtime merges two quantizers in a row into one with another grid.
        """
        value = self.value(position)
        return self.add("Max", [value, value], f"{value}/kept")

    def move(self, step, kind, *constants, **attributes):
        """Append a node that moves codes; wider than 8 bits, ONNX Runtime moves only floats."""
        if zero_point(self.tensor(step.output)).itemsize == 1:
            super().move(step, kind, *constants, **attributes)
            return
        constants = [c if isinstance(c, str) else self.integers(c) for c in constants]
        self.compute(step, kind, *constants, **attributes)
        self.store_sum(step.output)

    def dequantized(self, codes, name, exponent, zero):
        return self.add("DequantizeLinear", [codes, self.scale(exponent), self.number(zero)], name)

    def dequantized_channels(self, codes, name, exponents, zero, axis):
        """Dequantize codes of which each channel has an exponent of its own."""
        scales = self.initializer(f"{name}/scales", (2.0**exponents).astype(np.float32))
        zeros = self.initializer(f"{name}/zeros", np.full(exponents.shape, zero))
        return self.add("DequantizeLinear", [codes, scales, zeros], name, axis=axis)

    def scale(self, exponent):
        return self.shared(f"2**{exponent}", np.float32(2.0**exponent))

    def number(self, value: np.ndarray):
        return self.shared(f"{value.dtype.name} {value}", value)

    def padding_value(self, position):
        zero = zero_point(self.tensor(position))
        return [self.number(zero if zero.itemsize == 1 else np.float32(0))]

    def constant(self, name, constant, codes, axis=0):
        import ml_dtypes
        from onnx import TensorProto

        bits, signed = constant.format.bits, constant.format.signed
        if bits == 8:
            zero = np.uint8(128 if signed else 0)
        elif bits == 16 and not signed:
            zero = np.uint16(0)
        else:
            zero = np.zeros((), np.int8 if bits < 8 else np.int16 if bits <= 16 else np.int32)
        if zero.itemsize == 2:
            self.require_width(name, constant.format)
        packed = bits <= 4 and signed and self.opsets[""] >= WIDE
        held = ml_dtypes.int4 if packed else zero.dtype
        held = self.initializer(f"{name}/codes", (codes + int(zero)).astype(held))
        if packed:  # ONNX Runtime computes only with bytes; it casts at load time
            held = self.add("Cast", [held], f"{name}/bytes", to=TensorProto.INT8)
        if constant.shifts is None:
            return self.dequantized(held, name, constant.exponent, zero)
        return self.dequantized_channels(held, name, constant.exponents.ravel(), zero, axis)


def zero_point(tensor) -> np.ndarray:
    """Return the stored code of zero, in the unsigned type that stores the tensor."""
    if tensor.format is None or tensor.format.bits > 16:
        raise ExportError(
            f"ONNX quantizes to 16 bits at most. Received: '{tensor.name}' as {tensor.format}"
        )
    size = 8 if tensor.format.bits <= 8 else 16
    return np.array(2 ** (size - 1) if tensor.format.signed else 0, f"uint{size}")
