"""The parts of a model whose widths can be narrowed for a moment."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from keras_alt.calibration import ThresholdRule
from keras_alt.calibration.channels import constant_thresholds
from keras_alt.costs import as_bits, input_bits, products
from keras_alt.graph import Call, Graph
from keras_alt.layers import AveragePoolConv2D
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import Quantizer, quantizer_name
from keras_alt.width_search.table import WEIGHTS


@dataclass(frozen=True, eq=False)
class Choice:
    """A kernel or an activation whose width can be chosen.

    Attributes:
        layer, role: as in a `SensitivityRow`.
        bits: its own width.
        first: the first call that reads its codes.
        quantizers: that round it.
        weights: how many numbers a kernel has.
        operations: bit-operations for each bit of a kernel.
    """

    layer: str
    role: str
    bits: int
    first: Call
    quantizers: tuple[Quantizer, ...]
    weights: int = 0
    operations: int = 0


def kernel_choices(graph: Graph) -> list[Choice]:
    """Return the kernels of a quantized model that have a width, in the order of computation."""
    calls = {}
    for call in graph.calls:
        layer = call.layer
        # An average pool is a kernel too, but its reciprocal has a width of its own.
        if isinstance(layer, QuantizedKernel) and not isinstance(layer, AveragePoolConv2D):
            calls.setdefault(layer, []).append(call)
    return [
        Choice(
            layer.name,
            WEIGHTS,
            layer.kernel_bits,
            own[0],
            tuple(quantizer for quantizer, _ in layer.constants()),
            sum(math.prod(kernel.shape) for kernel in layer.kernels().values()),
            sum(products(call) * as_bits(input_bits(graph, call.inputs[0])) for call in own),
        )
        for layer, own in calls.items()
        if layer.kernel_bits is not None
    ]


def activation_choices(graph: Graph) -> list[Choice]:
    """Return the quantizers of activations, those of the inputs of the model excepted."""
    found = {}
    for call in graph.calls:
        own = getattr(call.layer, "activation_quantizer", None)
        quantizer = call.layer if isinstance(call.layer, Quantizer) else own
        if quantizer is not None and quantizer.role != "input":
            found.setdefault(quantizer, call)
    choices = []
    for quantizer, call in found.items():
        layer, _, role = quantizer_name(call.layer, quantizer).rpartition("/")
        choices.append(Choice(layer, role, quantizer.format.bits, call, (quantizer,)))
    return choices


@contextlib.contextmanager
def narrowed(choice: Choice, bits: int, rule: ThresholdRule | None) -> Iterator[None]:
    """Give the codes of a choice another width for a moment.

    Args:
        choice: a `Choice`.
        bits: the width.
        rule: for thresholds of kernels at this width; None keeps them.
    """
    quantizers = choice.quantizers
    before = [(q.format, np.array(ops.convert_to_numpy(q.log2_threshold))) for q in quantizers]
    try:
        for quantizer in quantizers:
            quantizer.format = replace(quantizer.format, bits=bits)
        if rule is not None and choice.role == WEIGHTS:
            for quantizer, values in choice.first.layer.constants():
                kernel = ops.convert_to_numpy(values)
                quantizer.set_threshold(constant_thresholds(quantizer, kernel, rule))
        yield
    finally:
        for quantizer, (format, log2_threshold) in zip(quantizers, before, strict=True):
            quantizer.format = format
            quantizer.log2_threshold.assign(log2_threshold)
