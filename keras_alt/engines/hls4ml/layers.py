"""Layers of hls4ml that it does not read from ONNX, as nodes of a domain of their own.

Such a node has the attributes of hls4ml's layer. `read_layers` teaches them to hls4ml's reader.
"""

import numpy as np

DOMAIN = "keras_alt.hls4ml"
KIND = "HLS4MLLayer"


def node_attributes(attributes: dict) -> dict:
    """Return the attributes of hls4ml's layer as those of a node, which holds arrays as tensors."""
    from onnx import numpy_helper

    return {
        name: numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
        for name, value in attributes.items()
    }


def layer_attributes(node, input_names, input_shapes, graph) -> dict:
    """Return the attributes of hls4ml's layer of a node, as hls4ml's reader wants them."""
    from onnx import helper

    attributes = {a.name: _value(helper.get_attribute_value(a)) for a in node.attribute}
    names = {"name": node.name, "inputs": input_names, "outputs": list(node.output)}
    return {**attributes, **names}


def _value(value):
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, list) else value


def read_layers():
    """Make hls4ml's reader of ONNX files understand these nodes."""
    from hls4ml.converters import get_supported_onnx_layers, register_onnx_layer_handler

    if KIND not in get_supported_onnx_layers():
        register_onnx_layer_handler(KIND, layer_attributes)
