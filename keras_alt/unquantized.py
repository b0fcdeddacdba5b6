"""Conversion of a quantized model back to its float model."""

import functools

import keras
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, rewrite
from keras_alt.keras_internals import operation_behind
from keras_alt.layers import (
    AveragePoolConv2D,
    ExactAverage,
    ExactMean,
    QuantFunction,
    QuantLeakyReLU,
    QuantPReLU,
    QuantSoftmax,
    ScaledSoftmax,
)
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import float_type
from keras_alt.quantizer import Quantizer
from keras_alt.record import tensor_keys

L = keras.layers


def source_name(call: Call) -> str:
    """Return the name of the layer that computes the input of a quantizer."""
    return operation_behind(call.inputs[0]).name


def fused_relu(call: Call) -> str | None:
    """Return the name of the ReLU that a quantizer computes in this call, or None."""
    name = call.kwargs.get("activation") or call.layer.activation
    return None if name == "linear" else name


def unquantized(graph: Graph, relus: dict[str, str]) -> keras.Model:
    """Return the float model that a quantized graph was made from.

    Args:
        graph: `Graph` of a model from `keras_alt.quantize_model`.
        relus: names of the ReLUs that its quantizers compute, as in `Record`.

    Returns:
        Functional `keras.Model` with the weights of the quantized model.
    """
    keys = tensor_keys(graph)
    relu = functools.cache(
        lambda name, kind, trainable: L.Activation(
            kind, name=name, dtype="float32", trainable=trainable
        )
    )
    pool, average, leaky, kernel, function, softmax = map(
        functools.cache, (_pool, _average, _leaky, _kernel, _function, _softmax)
    )

    def rule(call, new):
        layer = call.layer
        if isinstance(layer, Quantizer):
            x = new(call.inputs[0])
            kind = fused_relu(call)
            if kind is not None:
                x = relu(relus[keys[call.outputs[0]]], kind, layer.trainable)(x)
            # The second output is the exponent. Only quantized layers read it.
            return [x, x] if len(call.outputs) == 2 else x
        if isinstance(layer, AveragePoolConv2D):
            return pool(layer)(new(call.inputs[0]))
        if isinstance(layer, ExactAverage):
            return average(layer)(new(call.inputs[0]))
        if type(layer) is QuantLeakyReLU:
            return [leaky(layer)(new(call.inputs[0]))] * len(call.outputs)
        if isinstance(layer, QuantFunction):
            return function(layer)(new(call.inputs[0]))
        if isinstance(layer, QuantSoftmax):
            return softmax(layer)(new(call.inputs[0]))
        if isinstance(layer, (QuantizedKernel, QuantPReLU)):
            fill = functools.partial(_take_back, layer)
            x = call_and_fill(kernel(layer), fill, new(call.inputs[0]))
            return [x] * len(call.outputs)  # the second one is the exponent, as above
        return None

    return rewrite(graph, rule)


def _take_back(layer, plain):
    if isinstance(layer, QuantPReLU):
        weights = [layer.alpha]
    else:
        weights = [*layer.kernels().values(), *([layer.bias] if layer.use_bias else [])]
    # As arrays: on JAX, variables must not share a buffer, which training gives away.
    plain.set_weights([ops.convert_to_numpy(weight) for weight in weights])


def _kernel(layer):
    plain = float_type(type(layer))
    required = ("filters", "kernel_size", "units")
    given = {name: getattr(layer, name) for name in required if hasattr(layer, name)}
    config = layer.get_config()
    return plain.from_config({name: config[name] for name in plain(**given).get_config()})


def _pool(layer):
    return L.AveragePooling2D(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
        name=layer.name,
        dtype=layer.dtype_policy,
    )


def _average(layer):
    if isinstance(layer, ExactMean):
        return _function(layer)
    return layer.exact_form_of.from_config(layer.get_config())


def _function(layer):
    return type(layer.function).from_config(layer.function.get_config())


def _softmax(layer):
    options = {"axis": layer.axis, "name": layer.name, "dtype": layer.dtype_policy}
    return L.Softmax(**options) if layer.scale == 1 else ScaledSoftmax(scale=layer.scale, **options)


def _leaky(layer):
    options = {"name": layer.name, "dtype": layer.dtype_policy, "trainable": layer.trainable}
    if layer.max_value is not None:
        return L.ReLU(layer.max_value, negative_slope=layer.negative_slope, **options)
    return L.LeakyReLU(negative_slope=layer.negative_slope, **options)
