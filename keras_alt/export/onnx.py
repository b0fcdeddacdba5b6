"""Export to ONNX: QuantizeLinear and DequantizeLinear around integer codes (QDQ)."""

import os

import keras
import numpy as np

from keras_alt.export.fitting import ExportError, fitting_program, require
from keras_alt.export.onnx_graph import GraphWriter
from keras_alt.files import written_whole


def to_onnx(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as an ONNX file with integer weights.

    Inputs and outputs are float, in Keras' order of axes; the input is quantized by the first node.
    Kernels of up to 4 bits are stored as INT4, biases as INT32.

    Args:
        model: quantized with target "onnx", calibrated.
        path: of the file to write, `*.onnx` by custom.

    Returns:
        The path.

    Raises:
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("onnx", "onnx")
    import onnx

    proto = QDQWriter(fitting_program(model, "onnxruntime")).model()
    onnx.checker.check_model(proto, full_check=True)
    with written_whole(path) as temporary:
        onnx.save(proto, temporary)
    return os.fspath(path)


class QDQWriter(GraphWriter):
    """Holds codes as integers; values are behind a DequantizeLinear."""

    def store(self, value, position, rounding="half_even"):
        if rounding != "half_even":
            raise ExportError(f"ONNX rounds half to even. Received: rounding={rounding!r}")
        tensor, name = self.tensor(position), self.name(position)
        dtype = _container(tensor)
        grid = [self.scale(tensor.exponent), self.zero(dtype)]
        limits = np.iinfo(dtype)
        if tensor.low == limits.min and tensor.high == limits.max:
            return self.add("QuantizeLinear", [value, *grid], name)
        if limits.bits == 8:  # behind the quantizer, or ONNX Runtime would compute in float
            codes = self.add("QuantizeLinear", [value, *grid], f"{name}/unclipped")
            return self.add("Clip", [codes, *self.bounds(tensor, 1, dtype)], name)
        bounds = self.bounds(tensor, 2.0**tensor.exponent, np.float32)
        value = self.add("Clip", [value, *bounds], f"{name}/clipped")
        return self.add("QuantizeLinear", [value, *grid], name)

    def bounds(self, tensor, step, dtype):
        """Add the lowest and the highest code times `step`."""
        values = [np.array(code * step, dtype) for code in (tensor.low, tensor.high)]
        return [self.shared(f"{np.dtype(dtype).name} {value}", value) for value in values]

    def value(self, position):
        if position in self.sums:
            return self.sums[position]
        tensor = self.tensor(position)
        name = f"{self.name(position)}/value{len(self.nodes)}"
        return self.dequantized(self.at(position), name, tensor.exponent, _container(tensor))

    def dequantized(self, codes, name, exponent, dtype):
        return self.add("DequantizeLinear", [codes, self.scale(exponent), self.zero(dtype)], name)

    def scale(self, exponent):
        return self.shared(f"2**{exponent}", np.float32(2.0**exponent))

    def zero(self, dtype):
        return self.shared(f"zero {np.dtype(dtype).name}", np.zeros((), dtype))

    def constant(self, name, constant, codes):
        import ml_dtypes

        bits = constant.format.bits
        dtype = ml_dtypes.int4 if bits <= 4 else np.int8 if bits <= 8 else np.int16
        dtype = np.int32 if bits > 16 else dtype
        held = self.initializer(f"{name}/codes", codes.astype(dtype))
        return self.dequantized(held, name, constant.exponent, dtype)


def _container(tensor):
    """Return the ONNX type that holds the codes of a tensor."""
    if tensor.format is None or tensor.format.bits > 16:
        raise ExportError(
            f"ONNX quantizes to 16 bits at most. Received: '{tensor.name}' as {tensor.format}"
        )
    size = 8 if tensor.format.bits <= 8 else 16
    return np.dtype(f"{'int' if tensor.format.signed else 'uint'}{size}")
