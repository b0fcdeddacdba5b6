"""ALT inside tensorflow-model-optimization: trained thresholds for models that stay on tf_keras."""

import dataclasses
import math

import keras
from keras import ops

from keras_alt.config import QuantizeConfig
from keras_alt.formats import FixedPoint
from keras_alt.layers.kernel import three_sigma_initializer
from keras_alt.numerics.closed_form import exact_log2
from keras_alt.numerics.fake_quant import fake_quant
from keras_alt.tfmot.layout import planned
from keras_alt.tfmot.packages import imported

tfmot, tf_keras = imported()
TINY = 2.0**-30  # the threshold of a tensor of zeros
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
registered = tf_keras.utils.register_keras_serializable(package="keras_alt")


@registered
class ALTQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Fake-quantizes a tensor of tf_keras with a trained log2 threshold.

    It computes what `keras_alt.Quantizer` does. A threshold that is not set is NaN; the first
    batch in training, which may be `model(x, training=True)`, sets it to the largest magnitude.

    Args:
        bits, signed: as in `keras_alt.FixedPoint`.
        initializer: of the log2 threshold, `(shape, dtype) -> tensor`.
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
        return fake_quant(inputs, variable.read_value(), self.format, fused=bool(training))

    def get_config(self):
        return {"bits": self.format.bits, "signed": self.format.signed}


@registered
class ALTQuantizeConfig(tfmot.quantization.keras.QuantizeConfig):
    """How `quantize_annotate_layer` and `quantize_apply` train one layer's thresholds.

    Args:
        weights: bits of the kernels, or None for float.
        activations: bits of the output, or None for float.
        signed: whether the output's codes have a sign; by default not behind ReLU and ReLU6.
            `ALTScheme` knows it from the graph.
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
        pass

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


class ALTScheme(tfmot.quantization.keras.QuantizeScheme):
    """The scheme for `tfmot.quantization.keras.quantize_apply(annotated, ALTScheme())`.

    Activations become layers of their own, batch norms are folded, and quantizers stand where
    `keras_alt.quantize_model` puts them: also at the inputs, and at the kernels in front of a
    separate ReLU, which tfmot forgets. Biases and sums stay float, as in tfmot. Layers that were
    not annotated stay float.

    Args:
        config: the widths of annotated layers that have no `ALTQuantizeConfig` of their own; its
            biases, accumulators and target do not matter.
    """

    def __init__(self, config: QuantizeConfig | None = None):
        self.config = dataclasses.replace(config or QuantizeConfig(), target="onnx")

    def get_layout_transformer(self):
        return _Layout(self.config)

    def get_quantize_registry(self):
        return _NoRegistry()


class _Layout:
    """Rebuilds the model in canonical form and decides what each layer quantizes."""

    def __init__(self, config):
        self.config = config

    def apply(self, model, layer_quantize_map):
        annotated = {}
        for name, entry in layer_quantize_map.items():
            own = entry.get("quantize_config")
            is_alt = isinstance(own, ALTQuantizeConfig)
            widths = {"weights": own.weights, "activations": own.activations} if is_alt else {}
            annotated[name] = widths
        layout = planned(model, self.config, annotated)
        configs = {}
        for name in dict.fromkeys([*layout.kernels, *layout.outputs]):
            format = layout.outputs.get(name)
            configs[name] = ALTQuantizeConfig(
                layout.kernels.get(name),
                None if format is None else format.bits,
                None if format is None else format.signed,
            )
        return layout.model, {n: {"quantize_config": config} for n, config in configs.items()}


class _NoRegistry(tfmot.quantization.keras.QuantizeRegistry):
    """The layout has decided everything."""

    def supports(self, layer):
        return False

    def get_quantize_config(self, layer):
        return None


def _log2_of_largest(x):
    return exact_log2(ops.maximum(ops.max(ops.abs(ops.cast(x, "float32"))), TINY))


def _initializer(kernel):
    start = three_sigma_initializer(kernel)
    return lambda shape, dtype=None, **kwargs: start(shape, dtype)


def _order_weights(layer):
    """Put the weights of a wrapped layer in front of thresholds, also where a file is loaded.

    `QuantizeWrapperV2` does so only if the layer was built before it, and `.h5` goes by position.
    """
    inner = getattr(layer, "layer", None)
    known = {id(weight) for weight in layer._trainable_weights}
    for weight in inner.trainable_weights if inner is not None else ():
        if id(weight) not in known:
            layer._trainable_weights.append(weight)


def _is_relu(layer):
    if type(layer).__name__ == "ReLU":
        return True
    return getattr(getattr(layer, "activation", None), "__name__", None) in ("relu", "relu6")
