"""The float model that a quantized one was made from."""

import itertools

import keras

from keras_alt.graph import Call, Graph, rewrite
from keras_alt.layers import AveragePoolConv2D, QuantLeakyReLU
from keras_alt.quantize import QUANTIZED
from keras_alt.quantizer import Quantizer
from keras_alt.replacements import free_name, numbered

L = keras.layers
FLOAT = {quantized: plain for plain, quantized in QUANTIZED.items()}


def source_name(call: Call) -> str:
    """Return the name of the layer whose output a quantizer is called on."""
    return call.inputs[0]._keras_history.operation.name


def fused_relu(call: Call) -> str | None:
    """Return the ReLU that the call of a quantizer computes, None if it computes none."""
    name = call.kwargs.get("activation") or call.layer.activation
    return None if name == "linear" else name


def relu_names(graph: Graph) -> dict[Call, str]:
    """Return what the ReLUs in the calls of quantizers are called.

    A quantizer of several tensors has the name of their merge, not of their ReLUs.
    """
    names, found = {}, {}
    taken = {call.layer.name for call in graph.calls}
    for call in graph.calls:
        if isinstance(call.layer, Quantizer) and fused_relu(call):
            owner, _, role = call.layer.name.rpartition("__")
            source = f"{source_name(call)}_{fused_relu(call)}"
            key = call.layer, role == "output" or source
            if key not in found:
                candidates = itertools.chain((owner, source), numbered(source))
                found[key] = free_name(candidates, taken)
            names[call] = found[key]
    return names


def unquantized(graph: Graph, relus: dict[Call, str]) -> keras.Model:
    """Return the float model behind a quantized graph, its ReLUs called as in `relus`."""
    made = {}

    def once(key, make, *args):
        if key not in made:
            made[key] = make(*args)
        return made[key]

    def rule(call, new):
        layer = call.layer
        if isinstance(layer, Quantizer):
            x = new(call.inputs[0])
            if call in relus:
                x = once(relus[call], _relu, call, relus[call])(x)
            # The second output, the exponent, is read by quantized layers only.
            return [x, x] if len(call.outputs) == 2 else x
        if isinstance(layer, AveragePoolConv2D):
            return once(layer, _pool, call)(new(call.inputs[0]))
        if type(layer) is QuantLeakyReLU:
            return once(layer, _leaky, layer)(new(call.inputs[0]))
        if type(layer) in FLOAT:
            return _call_with_weights(once(layer, _kernel, layer), layer, new(call.inputs[0]))
        return None

    return rewrite(graph, rule)


def _call_with_weights(plain, layer, x):
    fresh = not plain.built
    outputs = plain(x)
    if fresh:
        bias = [layer.bias] if layer.use_bias else []
        plain.set_weights([*layer.kernels().values(), *bias])
    return outputs


def _kernel(layer):
    plain = FLOAT[type(layer)]
    required = ("filters", "kernel_size", "units")
    given = {name: getattr(layer, name) for name in required if hasattr(layer, name)}
    config = layer.get_config()
    return plain.from_config({name: config[name] for name in plain(**given).get_config()})


def _relu(call, name):
    return L.Activation(fused_relu(call), name=name, dtype=call.layer.dtype_policy)


def _pool(call):
    layer, size = call.layer, call.inputs[0].shape[1:3]
    options = {"name": layer.name, "dtype": layer.dtype_policy}
    if tuple(layer.kernel_size) == tuple(size):
        return L.GlobalAveragePooling2D(keepdims=True, **options)
    return L.AveragePooling2D(layer.kernel_size, strides=layer.strides, **options)


def _leaky(layer):
    options = {"name": layer.name, "dtype": layer.dtype_policy}
    if layer.max_value is not None:
        return L.ReLU(layer.max_value, negative_slope=layer.negative_slope, **options)
    return L.LeakyReLU(negative_slope=layer.negative_slope, **options)
