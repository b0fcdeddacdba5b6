"""The configuration that gives a quantized graph."""

import glob
import statistics

import keras

from keras_alt.config import QuantizeConfig
from keras_alt.graph import Call, Graph
from keras_alt.layers import AveragePoolConv2D, QuantLeakyReLU
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantize import FUSED_RELUS, QUANTIZED
from keras_alt.quantizer import Quantizer
from keras_alt.regions import SCALE_SHARING, SELECTING, Regions
from keras_alt.roles import (
    is_average_pool,
    is_grid_preserving,
    is_kernel,
    is_mean,
    leaky_slope,
    relu_max,
)
from keras_alt.targets import get_target

L = keras.layers


def configuration(graph: Graph, relus: dict[Call, str], target: str) -> QuantizeConfig:
    """Return a configuration that gives the quantized `graph`, but with the rules of `target`.

    The widths are those of each layer. Where a layer may as well have been skipped as quantized,
    it was quantized.

    Args:
        graph: of a model from `keras_alt.quantize_model`.
        relus: names of the ReLUs in the calls of its quantizers.
        target: name in `keras_alt.targets.TARGETS`.
    """
    reading = _Reading(graph, relus)
    return QuantizeConfig(
        weights=None,
        activations=None,
        inputs=reading.inputs,
        first_and_last_weights=None,
        target=target,
        overrides={glob.escape(name): widths for name, widths in reading.widths.items()},
        skip=[glob.escape(name) for name in reading.skip],
        share=[[glob.escape(name) for name in names] for names in reading.shared.values()],
    )


def _has_rules(layer):
    """Return whether `quantize_model` made the layer: tfmot has no rules for what it is."""
    if isinstance(layer, Quantizer):
        return layer.role in ("inputs", "shared")
    if isinstance(layer, QuantizedKernel) and not isinstance(layer, AveragePoolConv2D):
        is_float = layer.bias_bits is None and layer.accumulator_bits is None
        return layer.target != "paper" or not is_float
    return isinstance(layer, (AveragePoolConv2D, QuantLeakyReLU))


class _Reading:
    """One walk through a quantized graph.

    Attributes:
        inputs: width of the inputs, None if they are float.
        widths: `{layer name: {width: bits}}`.
        skip: names of layers that have a quantized form and are float.
        shared: quantizer -> names of the layers whose outputs share its scale by `share`.
    """

    def __init__(self, graph, relus):
        self.graph, self.relus = graph, relus
        self.inputs, self.widths, self.skip, self.shared = None, {}, [], {}
        self.regions = Regions(graph, QuantizeConfig())
        layers = list(dict.fromkeys(call.layer for call in graph.calls))
        self.target = get_target(
            next((k.target for k in layers if isinstance(k, QuantizedKernel)), "paper")
        )
        self.kernels = [
            layer
            for layer in layers
            if isinstance(layer, QuantizedKernel) and not isinstance(layer, AveragePoolConv2D)
        ]
        self.is_complete = any(map(_has_rules, layers)) or not any(
            isinstance(layer, Quantizer) for layer in layers
        )
        self.after_kernel, self.grids = set(), {}
        for call in graph.calls:
            self.visit(call)

    def visit(self, call):
        layer = call.layer
        is_after = any(tensor in self.after_kernel for tensor in call.inputs)
        if is_after or is_kernel(call) or layer in self.kernels:
            self.after_kernel.update(call.outputs)
        if isinstance(layer, Quantizer):
            self.grids[call.outputs[0]] = layer
            self.read_output(call)
        elif layer in self.kernels:
            self.read_kernel(layer, on_grid=self.grids.get(call.inputs[0]) is not None)
        elif isinstance(layer, QuantLeakyReLU):
            self.set(layer.name, accumulators=self.bits_inside(layer))
        else:
            self.read_float(call)

    def set(self, name, **widths):
        self.widths.setdefault(name, {}).update(widths)

    def read_kernel(self, layer, on_grid):
        self.set(layer.name, weights=layer.kernel_bits)
        if self.is_complete:
            has_width = on_grid or self.target.accumulators  # else the bias has no grid to lie on
            biases = layer.bias_bits if has_width else layer.accumulator_bits
            self.set(layer.name, biases=biases, accumulators=layer.accumulator_bits)

    def bits_inside(self, leaky):
        """Return the width inside a leaky ReLU, or where the target sets it, that of most sums."""
        if not self.target.leaky_bits:
            return leaky.internal_bits
        widths = [layer.accumulator_bits for layer in self.kernels if self.is_complete]
        return statistics.mode(widths or [QuantizeConfig.accumulators])

    def read_output(self, call):
        """Read the width of what a quantizer is called on, unless it moves a merge's operand."""
        quantizer, tensor = call.layer, call.inputs[0]
        producer = self.graph.producer.get(tensor)
        if call not in self.relus:
            if self.graph.sole_reader(tensor) is None:
                return
            if self.is_entry(tensor):
                self.inputs = quantizer.format.bits
            if producer is None or not self.has_sign_of(quantizer, producer):
                return
        name = self.relus.get(call) or producer.layer.name
        self.set(name, activations=quantizer.format.bits)
        if quantizer.role == "shared" and not (producer and is_average_pool(producer)):
            self.shared.setdefault(quantizer, []).append(name)

    def has_sign_of(self, quantizer, producer):
        """Return whether a quantizer may be the producer's own: that of a merge has its sign."""
        layer = producer.layer
        if relu_max(layer) is not None:
            return not quantizer.format.signed
        if layer in self.kernels or isinstance(layer, QuantLeakyReLU):
            return quantizer.format.signed
        return not isinstance(layer, Quantizer)

    def is_entry(self, tensor):
        """Return whether a tensor has the width of the inputs, if any."""
        producer = self.graph.producer.get(tensor)
        if producer is None or producer.layer.name in self.skip:
            return tensor not in self.after_kernel
        is_float = self.regions.is_float(producer) and type(producer.layer) is not QuantLeakyReLU
        return is_float and tensor not in self.after_kernel

    def read_float(self, call):
        grids = list(dict.fromkeys(self.grids.get(tensor) for tensor in call.inputs))
        if self.is_skipped(call, grids):
            self.skip.append(call.layer.name)
        elif is_grid_preserving(call) or type(call.layer) in SELECTING:
            self.grids.update(dict.fromkeys(call.outputs, grids[0]))

    def is_skipped(self, call, grids):
        """Return whether a layer that has a quantized form is float.

        Args:
            grids: quantizers on whose grids the inputs lie, None among them for float inputs.
        """
        layer, grid = call.layer, grids[0] if grids else None
        if type(layer) in QUANTIZED or not self.is_complete:
            return type(layer) in QUANTIZED
        if leaky_slope(layer) is not None:
            return True
        if type(layer) in SCALE_SHARING and len(grids) > 1:
            return True
        if relu_max(layer) is not None:
            return self.is_skipped_relu(call)
        behind = self.quantizer_behind(call)
        if is_average_pool(call) and not self.target.pool_as_depthwise and grid is not None:
            return behind is None or behind.layer is not grid
        if behind is None:
            return False
        if is_grid_preserving(call):
            return not self.is_operand(behind, grid)
        if is_average_pool(call) or is_mean(call) or type(layer) is L.Add:
            # Their sums have the sign of the input, float ones are signed.
            return grid is not None and behind.layer.format.signed and not grid.format.signed
        return False

    def is_skipped_relu(self, call):
        """Return whether a ReLU is float: its quantizer would compute it, or absorb its sum."""
        behind, front = self.quantizer_behind(call), self.graph.producer.get(call.inputs[0])
        if relu_max(call.layer) in FUSED_RELUS and behind and not behind.layer.format.signed:
            return True
        if front is None or not isinstance(front.layer, Quantizer):
            return False
        if self.is_entry(front.inputs[0]) or call.inputs[0] in set(self.graph.outputs):
            return False
        return all(map(self.rectifies, self.graph.readers[call.inputs[0]]))

    def rectifies(self, call):
        is_relu = relu_max(call.layer) is not None or type(call.layer) is QuantLeakyReLU
        return is_relu or call in self.relus

    def quantizer_behind(self, call):
        """Return the call of the quantizer, without a ReLU, that alone reads the output."""
        reader = self.graph.sole_reader(call.outputs[0])
        is_quantizer = reader is not None and isinstance(reader.layer, Quantizer)
        return reader if is_quantizer and reader not in self.relus else None

    def is_operand(self, behind, grid):
        """Return whether a quantizer moves what lies on `grid` to that of a merge."""
        if behind.layer.role not in ("inputs", "shared") or behind.layer.format == _format(grid):
            return False
        readers = self.graph.readers[behind.outputs[0]]
        return bool(readers) and all(type(reader.layer) in SCALE_SHARING for reader in readers)


def _format(grid):
    return None if grid is None else grid.format
