"""The quantizer and the per-layer configuration of ALT in tensorflow-model-optimization."""

import math

import keras
from keras import ops

from keras_alt.formats import FixedPoint
from keras_alt.layers.kernel import three_sigma_initializer
from keras_alt.numerics.closed_form import exact_log2
from keras_alt.numerics.function import fake_quant
from keras_alt.tfmot.packages import imported

tfmot, tf_keras = imported()
TINY = 2.0**-30  # the threshold of a tensor of zeros
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
registered = tf_keras.utils.register_keras_serializable(package="keras_alt")


@registered
class ALTQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Fake-quantizes a tensor of tf_keras with a trained log2 threshold.

    It computes the same as `keras_alt.Quantizer`. An unset threshold is NaN. The first training
    batch sets it to the largest magnitude; a call `model(x, training=True)` is enough.

    Args:
        bits, signed: as in `keras_alt.FixedPoint`.
        initializer: `(shape, dtype) -> tensor`, the first value of the log2 threshold.
    """

    def __init__(self, bits: int = 8, signed: bool = True, initializer=None):
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "ALT inside tensorflow-model-optimization computes with TensorFlow: set "
                f"KERAS_BACKEND=tensorflow. Received: backend={keras.backend.backend()!r}"
            )
        self.format = FixedPoint(bits, signed)
        self.initializer = initializer or tf_keras.initializers.Constant(math.nan)

    def build(self, tensor_shape, name, layer):
        _order_weights(layer)
        variable = layer.add_weight(
            name=f"{name}_log2_threshold",
            shape=(),
            dtype="float32",
            initializer=self.initializer,
            trainable=True,
        )
        return {"log2_threshold": variable}

    def __call__(self, inputs, training, weights, **kwargs):
        variable = weights["log2_threshold"]
        if training:
            value = variable.read_value()
            start = ops.cond(ops.isnan(value), lambda: _log2_of_largest(inputs), lambda: value)
            variable.assign(start)
        return fake_quant(inputs, variable.read_value(), self.format, training=bool(training))

    def get_config(self):
        return {"bits": self.format.bits, "signed": self.format.signed}


@registered
class ALTQuantizeConfig(tfmot.quantization.keras.QuantizeConfig):
    """Tells `quantize_annotate_layer` and `quantize_apply` how to quantize one layer.

    Args:
        weights: bits of the kernels, or None for float.
        activations: bits of the output, or None for float.
        signed: whether the output's codes have a sign. By default they have one, except behind
            ReLU and ReLU6. `ALTScheme` decides it from the graph.
    """

    def __init__(self, weights: int | None = 8, activations: int | None = 8, signed=None):
        self.weights = weights
        self.activations = activations
        self.signed = signed

    def get_weights_and_quantizers(self, layer):
        return [
            (kernel, ALTQuantizer(self.weights, initializer=_initializer(kernel)))
            for kernel in (getattr(layer, name) for name in self._kernels(layer))
        ]

    def set_quantize_weights(self, layer, quantize_weights):
        for name, kernel in zip(self._kernels(layer), quantize_weights, strict=True):
            setattr(layer, name, kernel)

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        """Do nothing. tfmot requires the method; `get_activations_and_quantizers` is empty."""
        return  # AutoGraph warns when the body is only a docstring

    def get_output_quantizers(self, layer):
        return [] if self.activations is None else [self.output_quantizer(layer)]

    def output_quantizer(self, layer) -> ALTQuantizer:
        """Return the quantizer of the outputs of `layer`."""
        signed = not _is_relu(layer) if self.signed is None else self.signed
        return ALTQuantizer(self.activations, signed)

    def get_config(self):
        return {"weights": self.weights, "activations": self.activations, "signed": self.signed}

    def _kernels(self, layer):
        return [n for n in KERNELS if hasattr(layer, n)] if self.weights is not None else []


def _log2_of_largest(x):
    return exact_log2(ops.maximum(ops.max(ops.abs(ops.cast(x, "float32"))), TINY))


def _initializer(kernel):
    start = three_sigma_initializer(kernel)
    return lambda shape, dtype=None, **kwargs: start(shape, dtype)


def _order_weights(layer):
    """Put the weights of a wrapped layer in front of the thresholds, also when a file is loaded.

    `.h5` files store weights by position. `QuantizeWrapperV2` keeps this order only if the layer
    was built before the wrapper.
    """
    inner = getattr(layer, "layer", None)
    known = {id(weight) for weight in layer._trainable_weights}
    for weight in inner.trainable_weights if inner is not None else ():
        if id(weight) not in known:
            layer._trainable_weights.append(weight)


def _is_relu(layer):
    if isinstance(layer, tf_keras.layers.ReLU):
        return True
    return getattr(getattr(layer, "activation", None), "__name__", None) in ("relu", "relu6")
