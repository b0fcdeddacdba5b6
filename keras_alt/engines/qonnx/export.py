"""Exports to QONNX, which is ONNX with Quant nodes of any width."""

import os

import keras
import numpy as np

from keras_alt.engines.fitting import ExportError, fitting_program, require
from keras_alt.engines.onnx_graph import GraphWriter
from keras_alt.files import written_whole
from keras_alt.formats import FixedPoint
from keras_alt.integer import Reading

DOMAIN = "qonnx.custom_op.general"
ROUNDINGS = {"half_even": "ROUND", "floor": "FLOOR"}


def to_qonnx(model: keras.Model, path: str | os.PathLike) -> str:
    """Write a quantized model as a QONNX file, for FINN, hls4ml and qonnx.

    Inputs and outputs are float, in Keras' order of axes. All widths are kept, including the width
    of 16-bit accumulators.

    Args:
        model: calibrated model, quantized with target "paper" or "hls".
        path: the file to write, by convention `*.onnx`.

    Returns:
        The path.

    Raises:
        ExportError: the file format cannot hold the model; the message names the layer.
    """
    require("qonnx", "onnx")
    write_qonnx(fitting_program(model, "qonnx"), path)
    return os.fspath(path)


def write_qonnx(reading: Reading, path: str | os.PathLike) -> dict[int, str]:
    """Write a program as a QONNX file.

    Returns:
        `{position: name of the tensor with its values}` for each position on a grid.
    """
    import onnx

    writer = QuantWriter(reading)
    proto = shaped(writer.model())
    with written_whole(path) as temporary:
        onnx.save(proto, temporary)
    return writer.held


def shaped(proto):
    """Add the shapes of all tensors to a QONNX model, because qonnx needs them to run it."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    return ModelWrapper(proto).transform(InferShapes()).model


class QuantWriter(GraphWriter):
    """Holds codes as floats on their grid, behind a Quant node."""

    opsets = {"": 13, DOMAIN: 2}
    batch = 1  # tools that read QONNX need fixed shapes

    def store(self, value, position, rounding="half_even"):
        tensor, name = self.tensor(position), self.name(position)
        if tensor.low > tensor.format.qmin or tensor.high < tensor.format.qmax:
            bounds = [
                self.initializer(f"{name}/{which}", np.float32(bound * 2.0**tensor.exponent))
                for which, bound in (("low", tensor.low), ("high", tensor.high))
            ]
            value = self.add("Clip", [value, *bounds], f"{name}/bounded")
        return self.quantized(value, name, tensor.exponent, tensor.format, rounding)

    def value(self, position):
        return self.sums[position] if position in self.sums else self.at(position)

    def index(self, position, first):
        from onnx import TensorProto

        value, step = self.value(position), self.tensor(position).exponent
        lowest = self.shared(f"{first} * 2**{step}", np.float32(first * 2.0**step))
        steps = self.add("Sub", [value, lowest], f"{value}/above{len(self.nodes)}")
        codes = self.add("Mul", [steps, self.shared(f"2**{-step}", np.float32(2.0**-step))])
        return self.add("Cast", [codes], to=TensorProto.INT64)

    def taken(self, table, index, position, name):
        values = (table.codes * 2.0**table.exponent).astype(np.float32)
        entries = self.initializer(f"{name}/table", values)
        return self.store(self.add("Gather", [entries, index], f"{name}/entry"), position)

    def constant(self, name, constant, codes, axis=0):
        scales = 2.0 ** np.asarray(constant.exponents, np.float64)
        if scales.ndim:
            scales = scales.reshape([-1 if i == axis else 1 for i in range(codes.ndim)])
        held = self.initializer(f"{name}/values", (codes * scales).astype(np.float32))
        if not scales.ndim:
            return self.quantized(held, name, constant.exponent, constant.format)
        scale = self.initializer(f"{name}/scales", scales.astype(np.float32))
        return self.scaled(held, name, scale, constant.format)

    def scale(self, exponent):
        return self.shared(f"2**{exponent}", np.float32(2.0**exponent))

    def quantized(self, value, name, exponent, format: FixedPoint, rounding="half_even"):
        return self.scaled(value, name, self.scale(exponent), format, rounding)

    def scaled(self, value, name, scale, format: FixedPoint, rounding="half_even"):
        """Append a Quant node with the scale, or the scales, of that name."""
        if rounding not in ROUNDINGS:
            raise ExportError(
                f"QONNX rounds by {sorted(ROUNDINGS)}. Received: rounding={rounding!r}"
            )
        inputs = [
            scale,
            self.shared("zero", np.float32(0)),
            self.shared(f"{format.bits} bits", np.float32(format.bits)),
        ]
        return self.add("Quant", [value, *inputs], name, **quant_attributes(format, rounding))


def quant_attributes(format: FixedPoint, rounding: str) -> dict:
    """Return the domain and the attributes of a Quant node."""
    return {
        "domain": DOMAIN,
        "signed": int(format.signed),
        "narrow": int(format.narrow),
        "rounding_mode": ROUNDINGS[rounding],
    }
