"""Folding of batch normalization into the layers in front of it."""

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, replaced, rewrite
from keras_alt.operators import has_kernel, is_batch_norm
from keras_alt.replacements import Replacements
from keras_alt.training_rules import training_rules, warn_of_dropped_rules
from keras_alt.transforms.batch_norm_to_depthwise import (
    DepthwiseNorms,
    affine,
    has_depthwise_form,
    norm_axis,
)

L = keras.layers


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Fold every batch normalization, with its moving statistics.

    If the norm is the only reader of a linear layer, it is folded into the kernel and the bias of
    the layer. Otherwise, it becomes a depthwise convolution of window 1. A norm over five or more
    axes of which some are open stays, and the report lists it. Folding drops constraints and
    regularizers, and warns of that.
    """
    return _folded(model, lambda call, linear: True)


def fold_fixed_batch_norm(model: keras.Model) -> keras.Model:
    """Fold the batch normalizations that quantized layers cannot fold in training.

    A norm that is the only reader of a linear layer stays, because the quantized layer folds it in
    training. If it is frozen, it is folded here, because its statistics do not change in training.
    """
    return _folded(model, lambda call, linear: linear is None or _is_frozen(call))


def _folded(model, is_folded):
    """Fold the norms for which `is_folded(call, linear call before it)` is true."""
    graph = Graph(model)
    norms = [call for call in graph.calls if is_batch_norm(call)]
    pairs = {call: linear_in_front(graph, call) for call in norms}
    foldable = {call for call in norms if pairs[call] or has_depthwise_form(call)}
    foldable = {call for call in foldable if is_folded(call, pairs[call])}
    changed = {c.layer for c in foldable} | {pairs[c].layer for c in foldable if pairs[c]}
    warn_of_dropped_rules(
        ((layer, training_rules(layer)) for layer in changed),
        "Constraints and regularizers of a kernel or a batch norm do not hold for the kernel that "
        "results from folding, so they are dropped there. `QuantizeConfig(batch_norm='train')` "
        "keeps those of layers that fold their norm while they train.",
        stacklevel=5,  # who called `quantize_model`
    )
    linear = Replacements(graph, [pairs[call] for call in foldable if pairs[call]])
    depthwise = DepthwiseNorms(graph, foldable)

    def rule(call, new):
        if pairs[call]:
            return _into_kernel(pairs[call], call, new, linear)
        return depthwise(call, new)

    return rewrite(graph, rule, foldable)


def _is_frozen(call):
    return not call.layer.trainable or call.kwargs.get("training") is False


def linear_in_front(graph: Graph, call: Call) -> Call | None:
    """Return the linear call whose only reader is the batch normalization `call`, or None."""
    producer = graph.producer.get(call.inputs[0])
    if producer is None or not has_kernel(producer.layer):
        return None
    if type(producer.layer) is L.SeparableConv2D:
        return None
    if producer.layer.activation is not keras.activations.linear:
        return None
    if not _normalizes_channels(call, producer.layer):
        return None
    return producer if graph.sole_reader(producer.output) is call else None


def _normalizes_channels(call, layer):
    rank = len(call.inputs[0].shape)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return norm_axis(call.layer) % rank == (1 if first else rank - 1)


def _into_kernel(linear: Call, call: Call, new, replacements):
    layer, norm = linear.layer, call.layer
    changes = {"use_bias": True, **dict.fromkeys(training_rules(layer))}
    make = lambda name: replaced(layer, type(layer), name=name, **changes)  # noqa: E731
    folded = replacements(layer, norm, make, suffix=norm.name)

    def fill(folded):
        factor, offset = affine(norm)
        kernel = ops.convert_to_numpy(layer.kernel).astype(np.float64)
        bias = ops.convert_to_numpy(layer.bias) if layer.use_bias else 0.0
        folded.set_weights([kernel * kernel_factor(layer, factor), bias * factor + offset])

    return call_and_fill(folded, fill, *new(linear.args), **new(linear.kwargs))


def kernel_factor(layer, factor):
    """Reshape one factor per output channel so that it scales the kernel of `layer`."""
    if type(layer) in (L.DepthwiseConv1D, L.DepthwiseConv2D):
        return factor.reshape(-1, layer.depth_multiplier)
    is_transposed = type(layer) in (L.Conv1DTranspose, L.Conv2DTranspose)
    return factor.reshape(-1, 1) if is_transposed else factor
