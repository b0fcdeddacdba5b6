"""The scheme that trains ALT's thresholds in tfmot, for models that stay on tf_keras."""

import dataclasses

from keras_alt.config import QuantizeConfig
from keras_alt.tfmot.alt import ALTQuantizeConfig
from keras_alt.tfmot.layout import planned
from keras_alt.tfmot.packages import imported

tfmot, _ = imported()


class ALTScheme(tfmot.quantization.keras.QuantizeScheme):
    """The scheme for `tfmot.quantization.keras.quantize_apply(annotated, ALTScheme())`.

    Activations become separate layers, and batch norms are folded. Quantizers stand where
    `keras_alt.quantize_model` puts them. These places include the inputs, and kernels in front of
    a separate ReLU, which tfmot forgets. Biases and sums stay float, as in tfmot. Layers without
    annotation stay float.

    Args:
        config: the widths of annotated layers without their own `ALTQuantizeConfig`. Its biases,
            accumulators and target have no effect.
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
    """Supports no layer, because the layout decides for every layer."""

    def supports(self, layer):
        return False

    def get_quantize_config(self, layer):
        return None
