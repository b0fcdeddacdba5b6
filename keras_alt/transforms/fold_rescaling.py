"""Folding of leading rescalings into the first kernels, except for a power of two."""

import collections
import math
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, replaced, rewrite
from keras_alt.replacements import Replacements

L = keras.layers
MOVES = (L.Flatten, L.Reshape, L.Permute, L.Cropping1D, L.Cropping2D)
PADDINGS = (L.ZeroPadding1D, L.ZeroPadding2D)
CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.Conv3D, L.DepthwiseConv1D, L.DepthwiseConv2D)


def fold_rescaling(model: keras.Model) -> keras.Model:
    """Fold `Rescaling` layers between an input and its first kernel into the kernel and its bias.

    What remains is a `Rescaling` by a power of two: whole numbers then lie on the grid of a
    quantizer, and the kernel keeps its magnitude, on which training depends. An offset needs a
    kernel that pads nothing. A layer that reads the input of a `Rescaling` and a tensor that
    several layers read stop the folding, and so does a kernel with a constraint.
    """
    graph = Graph(model)
    times = collections.Counter(call.layer for call in graph.calls)
    starts = [c for c in graph.calls if _is_scalar(c, times) and c.inputs[0] in graph.inputs]
    leads = [lead for lead in (_lead(graph, call, times) for call in starts) if lead is not None]
    firsts = {lead.rescalings[0]: lead for lead in leads}
    others = {call for lead in leads for call in lead.rescalings[1:]}
    kernels = {lead.kernel: lead for lead in leads}
    layers = Replacements(graph, [*firsts, *kernels])

    def rule(call, new):
        x = new(call.inputs[0])
        if call in firsts:
            return _rescaled(firsts[call], x, layers)
        return x if call in others else _folded(kernels[call], new, layers)

    return rewrite(graph, rule, [*firsts, *others, *kernels])


@dataclass
class _Lead:
    """Rescalings in a row, the first of which reads an input, and the kernel behind them."""

    rescalings: list[Call] = field(default_factory=list)
    scale: float = 1.0
    offset: float = 0.0
    kernel: Call | None = None

    def then(self, call: Call):
        scale, offset = float(call.layer.scale), float(call.layer.offset)
        self.rescalings.append(call)
        self.scale, self.offset = self.scale * scale, self.offset * scale + offset

    @property
    def power(self) -> float:
        """The power of two next to the scale."""
        return 2.0 ** round(math.log2(abs(self.scale)))

    @property
    def has_work(self) -> bool:
        return (self.scale, self.offset) != (self.power, 0.0) or len(self.rescalings) > 1


def _lead(graph, first, times) -> _Lead | None:
    lead, call = _Lead(), first
    while call is not None and _is_scalar(call, times):
        lead.then(call)
        call = graph.sole_reader(call.output)
    moves = MOVES if lead.offset else (*MOVES, *PADDINGS)
    while call is not None and type(call.layer) in moves:
        call = graph.sole_reader(call.output)
    lead.kernel = call
    is_kernel = call is not None and times[call.layer] == 1 and _takes(call.layer, lead.offset)
    return lead if is_kernel and lead.has_work else None


def _is_scalar(call, times):
    layer = call.layer
    if type(layer) is not L.Rescaling or times[layer] > 1:
        return False
    return all(np.ndim(value) == 0 for value in (layer.scale, layer.offset)) and layer.scale != 0


def _takes(layer, offset):
    """Return whether the kernel of a layer can hold a scale, and its bias the offset."""
    if type(layer) not in (*CONVOLUTIONS, L.Conv2DTranspose, L.Dense):
        return False
    config = layer.get_config()
    if any(value is not None for name, value in config.items() if name.endswith("constraint")):
        return False
    return not offset or config.get("padding", "valid") == "valid" and not _is_transposed(layer)


def _is_transposed(layer):
    return type(layer) is L.Conv2DTranspose  # sums fewer products at the borders


def _rescaled(lead: _Lead, x, layers):
    if lead.power == 1.0 and keras.backend.is_float_dtype(x.dtype):
        return x
    layer = lead.rescalings[0].layer
    make = lambda name: replaced(layer, L.Rescaling, scale=lead.power, offset=0.0, name=name)  # noqa: E731
    return layers(layer, None, make)(x)


def _folded(lead: _Lead, new, layers):
    call, layer = lead.kernel, lead.kernel.layer
    use_bias = layer.use_bias or lead.offset != 0.0
    make = lambda name: replaced(layer, type(layer), use_bias=use_bias, name=name)  # noqa: E731

    def fill(folded):
        kernel = ops.convert_to_numpy(layer.kernel).astype(np.float64)
        bias = ops.convert_to_numpy(layer.bias) if layer.use_bias else 0.0
        bias = bias + lead.offset * _sums(layer, kernel)
        scaled = kernel * (lead.scale / lead.power)
        folded.set_weights([scaled, bias] if use_bias else [scaled])

    return call_and_fill(layers(layer, None, make), fill, *new(call.args), **new(call.kwargs))


def _sums(layer, kernel):
    """Return the sum of the kernel for each output channel."""
    if hasattr(layer, "depth_multiplier"):
        return kernel.sum(axis=tuple(range(kernel.ndim - 2))).reshape(-1)
    channels = -2 if _is_transposed(layer) else -1
    return kernel.sum(axis=tuple(i for i in range(kernel.ndim) if i != channels % kernel.ndim))
