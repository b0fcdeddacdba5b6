"""Writes a product of 16-bit codes as ONNX nodes that are exact in float32."""

import numpy as np

from keras_alt.formats import FixedPoint
from keras_alt.integer import Constant, Program, Step
from keras_alt.integer.variables import FLOAT32
from keras_alt.layers.slope_product import LOW, ROOM

LOW_BITS, ROOM_BITS = LOW.bit_length() - 1, ROOM.bit_length() - 1


def needed(program: Program, step: Step) -> bool:
    """Return whether training computes a product from two halves, and float32 may round it."""
    product = program.tensors[step.output]
    return step.output in program.halved and max(-product.low, product.high) > FLOAT32


def product(writer, step: Step, codes: np.ndarray) -> str:
    """Add the nodes of `keras_alt.layers.slope_product`; return the name of the product.

    Args:
        writer: a `keras_alt.engines.onnx_graph.GraphWriter`.
        step: a `multiply`.
        codes: of its constant, in ONNX order.
    """
    name, value = writer.name(step.output), writer.value(step.inputs[0])
    slope = step.attributes["constant"].exponent
    highs = Constant(codes >> LOW_BITS, slope + LOW_BITS, FixedPoint(LOW_BITS))
    lows = Constant(codes & (LOW - 1), slope, FixedPoint(LOW_BITS, signed=False))
    high, low = (
        writer.add("Mul", [value, writer.constant(f"{name}/{half}", constant, constant.codes)])
        for half, constant in (("high", highs), ("low", lows))
    )
    grain = writer.tensor(step.output).exponent + min(max(-slope - ROOM_BITS, 0), LOW_BITS)
    grains = writer.add("Mul", [low, _power(writer, -grain)])
    ends = [writer.add(kind, [grains]) for kind in ("Floor", "Ceil")]
    middle = writer.add("Mul", [writer.add("Add", ends), _power(writer, grain - 1)])
    return writer.add("Add", [high, middle], f"{name}/Mul")


def _power(writer, exponent: int) -> str:
    return writer.shared(f"2**{exponent}", np.float32(2.0**exponent))
