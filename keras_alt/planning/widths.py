"""Widths and rules of the Quant layers that replace float layers."""

from collections.abc import Collection

from keras_alt.activations import leaky_slope
from keras_alt.functions import MOST_BITS
from keras_alt.graph import Call
from keras_alt.layers import (
    ExactAverage,
    ExactMean,
    QuantAveragePoolConv2D,
    QuantFunction,
    QuantLeakyReLU,
    QuantPReLU,
    QuantSoftmax,
)
from keras_alt.layers.batch_norm import batch_norm_arguments
from keras_alt.layers.softmax import softmax_arguments
from keras_alt.operators import is_average, is_frozen, reads_table
from keras_alt.planning.decisions import Plan, Substitution
from keras_alt.planning.regions import Regions
from keras_alt.planning.roundings import rounding_behind
from keras_alt.targets import ON_PRODUCT_GRID, get_target

RECIPROCAL_BITS = 8  # for an average pool as a convolution; the paper's width


def substitute_layers(regions: Regions, plan: Plan, sparse: Collection[str]):
    """Add to `plan` which layers are replaced by Quant layers.

    Args:
        regions: `Regions` of the model.
        plan: `Plan` with all its quantizers; changed in place. Biases and roundings depend on the
            quantizers.
        sparse: names of the layers whose kernel has a mask.
    """
    norms = {linear: norm.layer for norm, linear in plan.folded.items()}
    substituting, made = _Substituting(regions, plan, sparse), {}
    for call in regions.graph.calls:
        operator, norm = regions.operator(call), norms.get(call)
        if _stays_float(operator, plan, call):
            continue
        if operator is not None and operator.quantized is not None:
            arguments = substituting.arguments(call, operator.quantized, norm)
            # Calls of one layer need different Quant layers if one of these differs.
            key = call.layer, norm, arguments.get("rounding"), arguments.get("format")
            substitution = Substitution(operator.quantized, arguments, norm.name if norm else "")
            plan.layers[call] = made.setdefault(key, substitution)


def _stays_float(operator, plan, call):
    """Return whether the float layer computes a call, though there is a Quant layer."""
    if not (reads_table(operator) or is_average(operator)):
        return False
    group, is_masked = plan.group_of(call.inputs[0]), len(call.inputs) > 1
    return group is None or is_masked or (reads_table(operator) and group.format.bits > MOST_BITS)


class _Substituting:
    """Decides the arguments of each Quant layer."""

    def __init__(self, regions, plan, sparse):
        self.regions, self.plan, self.sparse = regions, plan, sparse
        self.target = get_target(regions.config.target)
        self.ends = regions.ends()
        calls = regions.graph.calls
        self.on_grid = {c.layer for c in calls if c.inputs and plan.group_of(c.inputs[0])}

    def arguments(self, call: Call, quantized: type, norm) -> dict:
        if quantized is ExactMean:
            return {"function": call.layer}
        if issubclass(quantized, ExactAverage):
            return {}
        if quantized is QuantFunction:
            return {"function": call.layer, "format": self.plan.group_of(call.inputs[0]).format}
        if quantized is QuantSoftmax:
            format = self.plan.group_of(call.inputs[0]).format
            return {**softmax_arguments(call.layer), "format": format}
        if quantized is QuantLeakyReLU:
            return self.leaky(call)
        if quantized is QuantPReLU:
            return self.sloped(call)
        if quantized is QuantAveragePoolConv2D:
            return self.kernel(RECIPROCAL_BITS, None, None)
        layer = call.layer
        widths = self.regions.config.for_layer(layer.name, layer in self.ends)
        has_place = self.target.bias_rule != ON_PRODUCT_GRID or layer in self.on_grid
        biases = widths.biases if has_place else None
        arguments = self.kernel(widths.weights, biases, widths.accumulators)
        arguments["sparse"] = layer.name in self.sparse
        arguments["kernel_scales"] = widths.weight_scales
        arguments.update(_frozen(layer))
        if norm is not None:
            arguments["batch_norm"] = batch_norm_arguments(norm)
        return arguments

    def kernel(self, kernel_bits, bias_bits, accumulator_bits):
        return {
            "kernel_bits": kernel_bits,
            "bias_bits": bias_bits,
            "accumulator_bits": accumulator_bits,
            "activation_bits": None,
            "target": self.target.name,
        }

    def leaky(self, call):
        return {
            "negative_slope": leaky_slope(call.layer),
            "max_value": getattr(call.layer, "max_value", None),
            **self.sloped(call),
        }

    def sloped(self, call):
        widths = self.regions.config.for_layer(call.layer.name)
        rounding = rounding_behind(self.regions, self.plan, call.inputs[0])
        self.plan.inner[call] = rounding
        return {
            "internal_bits": self.target.leaky_bits or widths.accumulators,
            "activation_bits": None,
            "rounding": rounding.name,
            "product_rounding": self.target.multiply,
            **_frozen(call.layer),
        }


def _frozen(layer):
    return {"trainable_thresholds": False} if is_frozen(layer) else {}
