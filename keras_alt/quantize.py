"""Model in, quantized model out."""

import functools
import math

import keras
import numpy as np
from keras import ops

from keras_alt.calibration.calibrate import calibrate
from keras_alt.config import QuantizeConfig
from keras_alt.graph import Call, Graph, Replay, repeat, replaced, rewrite
from keras_alt.layers import (
    AveragePoolConv2D,
    QuantAveragePoolConv2D,
    QuantConv1D,
    QuantConv2D,
    QuantConv2DTranspose,
    QuantDense,
    QuantDepthwiseConv2D,
    QuantLeakyReLU,
)
from keras_alt.origin import require_keras3
from keras_alt.quantizer import RELU_MAX, Quantizer
from keras_alt.regions import Regions
from keras_alt.replacements import Replacements
from keras_alt.roles import is_kernel, leaky_slope, relu_max
from keras_alt.sharing import Plan, scale_groups
from keras_alt.targets import get_target
from keras_alt.transforms import canonical

L = keras.layers
QUANTIZED = {
    L.Conv1D: QuantConv1D,
    L.Conv2D: QuantConv2D,
    L.Conv2DTranspose: QuantConv2DTranspose,
    L.DepthwiseConv2D: QuantDepthwiseConv2D,
    L.Dense: QuantDense,
    AveragePoolConv2D: QuantAveragePoolConv2D,
}
FUSED_RELUS = {bound: name for name, bound in RELU_MAX.items() if name not in (None, "linear")}


def quantize_model(
    model: keras.Model,
    config: QuantizeConfig | None = None,
    calibration_data=None,
    masks: dict | None = None,
) -> keras.Model:
    """Return a trainable fixed-point copy of `model`.

    Batch norms are folded, kernels, biases, sums and activations get quantizers whose log2
    thresholds are trained variables. What has no fixed-point form stays float between quantizers:
    `keras_alt.report` lists it. Before use, the thresholds must be set: by `calibration_data`, or
    by `keras_alt.calibrate`.

    Args:
        model: built `keras.Model`: Sequential, functional, nested or a subclass that can be
            traced. It is not changed.
        config: `QuantizeConfig`; by default 8 bit under the rules of the paper.
        calibration_data: inputs as for `keras_alt.calibrate`, or None.
        masks: which weights of a pruned model are not zero, `{"<layer>/kernel": boolean array}`,
            from `keras_alt.sparsity_masks(model)` or `keras_alt.tfmot.to_keras3`. The others stay
            zero through training, saving and export.

    Returns:
        Functional `keras.Model`. Loading it back from a file needs `import keras_alt` only.
    """
    require_keras3(model)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`quantize_model` expects a Keras 3 `keras.Model`. "
            f"Received: model={model!r} (of type {type(model).__module__}.{type(model).__name__})"
        )
    config = QuantizeConfig() if config is None else config
    quantized = insert_quantizers(canonical(model, config), config, masks)
    if calibration_data is not None:
        calibrate(quantized, calibration_data)
    return quantized


def insert_quantizers(
    model: keras.Model, config: QuantizeConfig, masks: dict | None = None
) -> keras.Model:
    """Return `model`, which must be canonical, with its layers quantized and quantizers placed."""
    graph = Graph(model)
    config.check_names([call.layer.name for call in graph.calls])
    regions = Regions(graph, config)
    masks = _checked_masks({} if masks is None else masks, regions)
    insertion = _Insertion(regions, scale_groups(regions), masks)
    return rewrite(graph, insertion.rule, on_input=insertion.on_input)


class _Insertion:
    """Applies a plan while the graph is replayed."""

    def __init__(self, regions: Regions, plan: Plan, masks: dict):
        self.regions, self.plan, self.masks = regions, plan, masks
        self.target = get_target(regions.config.target)
        self.ends = regions.ends()
        # Kernel call to the batch norm that is folded into its layer while that trains.
        self.norms = {
            regions.folded_into(call): call.layer
            for call in regions.graph.calls
            if regions.folded_into(call)
        }
        quantized = [call for call in regions.graph.calls if not regions.is_float(call)]
        kernels = [call for call in quantized if type(call.layer) in QUANTIZED]
        leaky = [call for call in quantized if leaky_slope(call.layer) is not None]
        self.layers = Replacements(regions.graph, [*kernels, *leaky])
        self.quantizers, self.exponents = {}, {}
        for call in kernels:
            if call not in self.norms:  # it keeps its name, as when norms are folded once
                self.kernel_layer(call)

    def on_input(self, old, new):
        return self.quantized(old, new)

    def rule(self, call: Call, new: Replay):
        outputs = self.outputs(call, new)
        tensors = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        results = [
            self.quantized(old, tensor) for old, tensor in zip(call.outputs, tensors, strict=True)
        ]
        return results if len(results) > 1 else results[0]

    def outputs(self, call, new):
        """Return what `call` gives before the quantizers behind it."""
        layer = call.layer
        if self.regions.is_float(call):
            return repeat(call, new)
        if self.regions.folded_into(call) is not None or self.is_fused(call):
            return new(call.inputs[0])
        if type(layer) in QUANTIZED:
            return self.kernel_outputs(call, new)
        if leaky_slope(layer) is not None:
            rounding = self.plan.roundings[call]
            make = functools.partial(self.leaky_relu, layer, rounding)
            return self.layers(layer, rounding, make)(new(call.inputs[0]))
        operands = {i: place for (merge, i), place in self.plan.operands.items() if merge is call}
        if operands:
            return layer(
                [
                    self.placed(operands[i], new(tensor)) if i in operands else new(tensor)
                    for i, tensor in enumerate(call.inputs)
                ]
            )
        return repeat(call, new)

    def quantized(self, old, tensor):
        """Return `tensor`, which stands for `old`, behind the quantizer that the plan gives it."""
        placement = self.plan.outputs.get(old)
        if placement is None:
            return tensor
        producer = self.regions.graph.producer.get(old)
        if producer is not None and self.is_fused(producer):
            return self.placed(placement, tensor, activation=FUSED_RELUS[relu_max(producer.layer)])
        return self.placed(placement, tensor)

    def placed(self, placement, tensor, **rules):
        """Return `tensor` behind the quantizer of a group; keep the scale where biases want it."""
        quantizer = self.quantizer(placement.key)
        if placement.rounding != "half_even":
            rules["rounding"] = placement.rounding
        if self.target.accumulators:
            return quantizer(tensor, **rules)
        tensor, exponent = quantizer(tensor, with_exponent=True, **rules)
        self.exponents.setdefault(id(quantizer), exponent)
        return tensor

    def quantizer(self, key):
        group = self.plan.group(key)
        if id(group) not in self.quantizers:
            self.quantizers[id(group)] = Quantizer(
                group.format, role=group.name.rpartition("__")[2], name=group.name
            )
        return self.quantizers[id(group)]

    def is_fused(self, call):
        """Whether the call is a ReLU that its quantizer computes."""
        return (
            not self.regions.is_float(call)
            and relu_max(call.layer) in FUSED_RELUS
            and call.output in self.plan.outputs
        )

    def kernel_outputs(self, call, new):
        layer = self.kernel_layer(call)
        arguments = {}
        group = self.plan.group_of(call.inputs[0])
        if layer.needs_input_exponent:
            arguments["input_exponent"] = self.exponents[id(self.quantizers[id(group)])]
        fresh = not layer.built
        outputs = layer(new(call.inputs[0]), **arguments)
        if fresh:
            self.take_over(layer, call.layer, self.norms.get(call))
        return outputs

    def kernel_layer(self, call):
        """Return the quantized layer of a call, one for each batch norm that is folded into it."""
        norm = self.norms.get(call)
        make = functools.partial(self.quantized_layer, call.layer, norm)
        return self.layers(call.layer, norm, make, suffix=norm.name if norm else "")

    def quantized_layer(self, layer, norm, name):
        widths = self.regions.config.for_layer(layer.name, layer in self.ends)
        on_grid = any(
            self.plan.group_of(call.inputs[0])
            for call in self.regions.graph.calls
            if call.layer is layer
        )
        is_pool = isinstance(layer, AveragePoolConv2D)
        has_bias = widths.biases is not None and (on_grid or self.target.accumulators)
        rules = {
            "kernel_bits": 8 if is_pool else widths.weights,
            "bias_bits": widths.biases if has_bias and not is_pool else None,
            "accumulator_bits": None if is_pool else widths.accumulators,
            "activation_bits": None,
            "target": self.target.name,
            "sparse": f"{layer.name}/kernel" in self.masks,
            "name": name,
        }
        if norm is not None:
            rules["batch_norm"] = {
                name: getattr(norm, name) for name in ("epsilon", "momentum", "center", "scale")
            }
        return replaced(layer, QUANTIZED[type(layer)], **rules)

    def leaky_relu(self, layer, rounding, name):
        widths = self.regions.config.for_layer(layer.name)
        return QuantLeakyReLU(
            leaky_slope(layer),
            internal_bits=self.target.leaky_bits or widths.accumulators,
            rounding=rounding,
            activation_bits=None,
            max_value=getattr(layer, "max_value", None),
            name=name,
            dtype=layer.dtype_policy,
        )

    def take_over(self, layer, original, norm):
        """Give `layer` the weights of `original`, and leave its thresholds to calibration."""
        for variable, value in zip(original.weights, original.get_weights(), strict=True):
            getattr(layer, variable.name).assign(value)
        for variable in norm.weights if norm is not None else ():
            getattr(layer.batch_norm, variable.name).assign(variable)
        for child in layer._layers:
            if isinstance(child, Quantizer):
                child.log2_threshold.assign(math.nan)
        if layer.sparse:
            layer.set_mask("kernel", self.masks[f"{original.name}/kernel"])


def _checked_masks(masks, regions):
    kernels = {
        f"{call.layer.name}/kernel": call.layer.kernel
        for call in regions.graph.calls
        if is_kernel(call) and not regions.is_float(call)
    }
    unknown = sorted(set(masks) - set(kernels))
    if unknown:
        raise ValueError(
            "Every key of `masks` must be '<layer>/kernel' of a layer that is quantized, after "
            "nested models are inlined and batch norms folded. "
            f"Received: {', '.join(unknown)}; kernels={', '.join(kernels)}"
        )
    return {**masks, **_masks_of_copies(masks, kernels)}


def _masks_of_copies(masks, kernels):
    """A layer that several batch norms read is folded into `<layer>`, `<layer>_<norm>`, ..."""

    def is_copy(name, kernel, original, mask):
        follows = name not in masks and name.startswith(original.removesuffix("/kernel") + "_")
        fits = follows and tuple(kernel.shape) == np.shape(mask)
        return fits and not ops.convert_to_numpy(kernel)[~np.asarray(mask, bool)].any()

    return {
        name: mask
        for name, kernel in kernels.items()
        for original, mask in masks.items()
        if is_copy(name, kernel, original, mask)
    }
