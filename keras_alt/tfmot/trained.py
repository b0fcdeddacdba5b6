"""Converts layers that ALT trained inside tfmot to quantized Keras 3 layers."""

import keras

from keras_alt.activations import FUSED_RELUS, relu_max
from keras_alt.graph import call_and_fill
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.operators import OPERATORS, Operator
from keras_alt.quantizer import Quantizer
from keras_alt.tfmot.alt import ALTQuantizeConfig
from keras_alt.tfmot.layers import from_config, keras3_layer, weights_of
from keras_alt.tfmot.nodes import keras3_name
from keras_alt.tfmot.wrappers import is_quantizing, unwrapped

THRESHOLD = "_log2_threshold"


def is_trained(layer) -> bool:
    """Return whether `layer` is wrapped with an `ALTQuantizeConfig`."""
    config = getattr(layer, "quantize_config", None)
    return is_quantizing(layer) and isinstance(config, ALTQuantizeConfig)


def keras3_trained(wrapper):
    """Return a function of Keras 3 tensors that equals the wrapped layer bit for bit.

    The biases and sums of the layer stay float, as in tfmot.
    """
    config, bare = wrapper.quantize_config, unwrapped(wrapper)
    thresholds = {
        name.removesuffix(THRESHOLD): variable.numpy()
        for variable in wrapper.trainable_weights
        if (name := variable.name.split("/")[-1].split(":")[0]).endswith(THRESHOLD)
    }
    layer, activation = _layer(bare, config), None
    quantizer = _output_quantizer(wrapper, bare)
    if quantizer is not None and relu_max(layer) in FUSED_RELUS:
        layer, activation = None, FUSED_RELUS[relu_max(layer)]
    if quantizer is not None and _is_linear(layer):
        layer = None

    def call(x):
        if layer is not None:
            fill = lambda built: _take_over(built, weights_of(bare), thresholds)  # noqa: E731
            x = call_and_fill(layer, fill, x)
        if quantizer is not None:
            rules = {} if activation is None else {"activation": activation}
            fill = lambda built: built.log2_threshold.assign(thresholds["output"])  # noqa: E731
            x = call_and_fill(quantizer, fill, x, **rules)
        return x

    return call


def _layer(bare, config):
    layer = keras3_layer(bare)
    entry = OPERATORS.get(type(layer))
    if not (isinstance(entry, Operator) and entry.has_kernel) or config.weights is None:
        return layer
    return from_config(
        entry.quantized,
        bare,
        kernel_bits=config.weights,
        bias_bits=None,
        accumulator_bits=None,
        activation_bits=None,
    )


def _output_quantizer(wrapper, bare):
    config = wrapper.quantize_config
    if config.activations is None:
        return None
    # A linear layer that marks a tensor already has the quantizer's name.
    is_mark = type(bare).__name__ == "Activation" and "__" in bare.name
    name = bare.name if is_mark else f"{bare.name}__output"
    role = name.rpartition("__")[2]
    return Quantizer(config.output_quantizer(bare).format, role=role, name=keras3_name(name))


def _is_linear(layer):
    linear = keras.activations.linear
    return type(layer) is keras.layers.Activation and layer.activation is linear


def _take_over(layer, weights, thresholds):
    if not isinstance(layer, QuantizedKernel):
        layer.set_weights(weights)
        return
    variables = [*layer.kernels().values(), *([layer.bias] if layer.use_bias else [])]
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)
    for role in layer.kernels():
        getattr(layer, f"{role}_quantizer").log2_threshold.assign(
            thresholds.get(role, thresholds.get(f"depthwise_{role}"))
        )
