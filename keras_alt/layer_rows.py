"""What the layers of a quantized model cost: weights and multiply-accumulates."""

import keras

from keras_alt.costs import multiplications, weights_of
from keras_alt.graph import Graph
from keras_alt.integer import float_places
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import Quantizer, quantizers_of
from keras_alt.report_tables import INTEGER, LayerRow


def layer_rows(graph: Graph) -> list[LayerRow]:
    """Return a `LayerRow` for each layer or operator, quantizers left out, in order."""
    places, products, rows = float_places(graph), {}, {}
    for call, _, count in multiplications(graph):
        products[call.layer] = products.get(call.layer, 0) + count
    for call in graph.calls:
        layer = call.layer
        if layer not in rows and not isinstance(layer, Quantizer):
            sizes = list(weights_of(layer))
            rows[layer] = LayerRow(
                layer.name,
                type(layer).__name__,
                places.get(call, INTEGER),
                list(call.outputs[0].shape[1:]),
                formats_of(layer),
                sum(size for size, _ in sizes),
                sum(size * bits for size, bits in sizes),
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
