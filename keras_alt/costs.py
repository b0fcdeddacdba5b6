"""The bytes and the multiply-accumulates of a quantized model."""

import math
from collections.abc import Iterator, Mapping

import keras

from keras_alt.graph import Call, Graph
from keras_alt.layers import AveragePoolConv2D, Matmul, QuantLeakyReLU, QuantPReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import Grid, has_grid, has_kernel, shares_grid
from keras_alt.quantizer import Quantizer

TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
FLOAT_BITS = 32


def weight_bytes(graph: Graph) -> dict[str, int]:
    """Return `{"float": before, "quantized": after}`, bytes of kernels and biases.

    The quantized ones are counted in packed bits.
    """
    sizes = sum(size for layer in _layers(graph) for size, _ in weights_of(layer))
    return {"float": sizes * FLOAT_BITS // 8, "quantized": -(-weight_bits(graph) // 8)}


def weight_bits(graph: Graph) -> int:
    """Return the bits of the kernels and biases of a quantized model."""
    return sum(size * bits for layer in _layers(graph) for size, bits in weights_of(layer))


def weights_of(layer: keras.Operation) -> Iterator[tuple[int, int]]:
    """Yield the size and the bits of each kernel, bias and other weight of a layer."""
    if isinstance(layer, (AveragePoolConv2D, Quantizer, QuantLeakyReLU)):
        return
    variables = getattr(layer, "weights", ())
    if isinstance(layer, QuantizedKernel):
        widths = {id(k): layer.kernel_bits for k in layer.kernels().values()}
        if layer.use_bias:
            widths[id(layer.bias)] = layer.bias_width
    elif isinstance(layer, QuantPReLU):
        widths = {id(layer.alpha): layer.internal_bits}
    else:
        widths = {id(variable): None for variable in variables}
    sizes = {id(variable): math.prod(variable.shape) for variable in variables}
    yield from ((sizes[key], width or FLOAT_BITS) for key, width in widths.items())


def _layers(graph):
    return {call.layer: None for call in graph.calls}


def multiply_accumulates(graph: Graph) -> dict[str, int]:
    """Return `{"<kernel bits>x<input bits>": count}` for one sample; bits may be "float"."""
    totals = {}
    for _, widths, count in multiplications(graph):
        totals[widths] = totals.get(widths, 0) + count
    return totals


def multiplications(graph: Graph) -> Iterator[tuple[Call, str, int]]:
    """Yield each call with products, the widths of the factors and how many it has."""
    for call in graph.calls:
        layer = call.layer
        if isinstance(layer, QuantizedKernel) or has_kernel(layer):
            kernel, x = getattr(layer, "kernel_bits", None), input_bits(graph, call.inputs[0])
            yield call, f"{kernel or 'float'}x{x}", products(call)
        elif isinstance(layer, Matmul):
            widths = "x".join(str(input_bits(graph, tensor)) for tensor in call.inputs)
            yield call, widths, math.prod(call.output.shape[1:]) * call.inputs[0].shape[-1]


def bit_operations(counts: Mapping[str, int]) -> int:
    """Return the sum of multiply-accumulates times the bits of both factors; float has 32.

    Args:
        counts: from `multiply_accumulates`.
    """
    bits = {name: [as_bits(factor) for factor in name.split("x")] for name in counts}
    return sum(count * math.prod(bits[name]) for name, count in counts.items())


def as_bits(width: int | str) -> int:
    """Return a width as a number; "float" has 32 bits."""
    return FLOAT_BITS if width == "float" else int(width)


def products(call: Call) -> int:
    """Return the number of products of one call for one sample; 0 if a size is unknown."""
    layer = call.layer
    transposed = isinstance(layer, TRANSPOSED)
    shape = (call.inputs[0] if transposed else call.outputs[0]).shape[1:]
    first = getattr(layer, "data_format", None) == "channels_first"
    positions = shape[1:] if first else shape[:-1]
    if None in positions:
        return 0
    kernels = layer.kernels().values() if hasattr(layer, "kernels") else [layer.kernel]
    return math.prod(positions) * sum(math.prod(kernel.shape) for kernel in kernels)


def input_bits(graph: Graph, tensor) -> int | str:
    """Return the bits of the codes of a tensor, "float" if it has none."""
    quantizer = quantizer_behind(graph, tensor)
    return "float" if quantizer is None else quantizer.format.bits


def quantizer_behind(graph: Graph, tensor) -> Quantizer | None:
    """Return the quantizer whose grid a tensor lies on; None for floats."""
    producer = graph.producer.get(tensor)
    while producer is not None:
        if isinstance(producer.layer, Quantizer):
            return producer.layer
        own = getattr(producer.layer, "activation_quantizer", None)
        if own is not None:
            return own
        if not (has_grid(producer, Grid.KEPT) or shares_grid(producer)):
            return None
        producer = graph.producer.get(producer.inputs[0])
    return None
