"""What the layers of a quantized model cost: weights and multiply-accumulates."""

import math
from collections.abc import Iterator

import keras

from keras_alt.graph import Call, Graph
from keras_alt.integer import float_places
from keras_alt.layers import AveragePoolConv2D, Matmul, QuantLeakyReLU, QuantPReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import Grid, has_grid, has_kernel, shares_grid
from keras_alt.quantizer import Quantizer, quantizers_of
from keras_alt.report_tables import INTEGER, LayerRow

TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)


def layer_rows(graph: Graph) -> list[LayerRow]:
    """Return a `LayerRow` for each layer or operator, quantizers left out, in order."""
    places, products, rows = float_places(graph), {}, {}
    for call, _, count in _products(graph):
        products[call.layer] = products.get(call.layer, 0) + count
    for call in graph.calls:
        layer = call.layer
        if layer not in rows and not isinstance(layer, Quantizer):
            sizes = list(_weights(layer))
            rows[layer] = LayerRow(
                layer.name,
                type(layer).__name__,
                places.get(call, INTEGER),
                list(call.outputs[0].shape[1:]),
                formats_of(layer),
                sum(size for size, _ in sizes),
                sum(size * (bits or 32) for size, bits in sizes),
                products.get(layer, 0),
            )
    return list(rows.values())


def formats_of(layer: keras.Operation) -> dict[str, str]:
    """Return the format of each tensor that a layer quantizes, by role."""
    if not isinstance(layer, keras.layers.Layer):
        return {}
    formats = {quantizer.role: str(quantizer.format) for quantizer in quantizers_of(layer)}
    if isinstance(layer, QuantizedKernel) and layer.bias_on_product_grid:
        formats["bias"] = f"int{layer.bias_width}"
    return formats


def weight_bytes(graph: Graph) -> dict[str, int]:
    """Return `{"float": before, "quantized": after}`, bytes of kernels and biases."""
    layers = {call.layer: None for call in graph.calls}
    sizes = [pair for layer in layers for pair in _weights(layer)]
    bits = sum(size * (width or 32) for size, width in sizes)
    return {"float": sum(4 * size for size, _ in sizes), "quantized": -(-bits // 8)}


def multiply_accumulates(graph: Graph) -> dict[str, int]:
    """Return `{"<kernel bits>x<input bits>": count}` for one sample."""
    totals = {}
    for _, widths, count in _products(graph):
        totals[widths] = totals.get(widths, 0) + count
    return totals


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


def _weights(layer) -> Iterator[tuple[int, int | None]]:
    """Yield the size and the bits of each weight of a layer; None for float."""
    if isinstance(layer, (AveragePoolConv2D, Quantizer, QuantLeakyReLU)):
        return
    if isinstance(layer, QuantizedKernel):
        widths = {id(k): layer.kernel_bits for k in layer.kernels().values()}
        if layer.use_bias:
            widths[id(layer.bias)] = layer.bias_width
    elif isinstance(layer, QuantPReLU):
        widths = {id(layer.alpha): layer.internal_bits}
    else:
        widths = {id(variable): None for variable in getattr(layer, "weights", ())}
    sizes = {id(variable): math.prod(variable.shape) for variable in getattr(layer, "weights", ())}
    yield from ((sizes[key], width) for key, width in widths.items())


def _products(graph: Graph) -> Iterator[tuple[Call, str, int]]:
    """Yield each call with products, the widths of the factors and how many it has."""
    for call in graph.calls:
        layer = call.layer
        if isinstance(layer, QuantizedKernel) or has_kernel(layer):
            kernel, x = getattr(layer, "kernel_bits", None), _bits(graph, call.inputs[0])
            yield call, f"{kernel or 'float'}x{x}", _products_with_kernels(call)
        elif isinstance(layer, Matmul):
            widths = "x".join(str(_bits(graph, tensor)) for tensor in call.inputs)
            yield call, widths, math.prod(call.output.shape[1:]) * call.inputs[0].shape[-1]


def _products_with_kernels(call):
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


def _bits(graph, tensor):
    quantizer = quantizer_behind(graph, tensor)
    return "float" if quantizer is None else quantizer.format.bits
