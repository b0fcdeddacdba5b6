"""Expansion of attention layers into dense layers, matrix products and a softmax."""

import math

import keras
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, rewrite
from keras_alt.keras_internals import projections, timestep_mask
from keras_alt.layers import Matmul, ScaledSoftmax
from keras_alt.replacements import Additions, Replacements

L = keras.layers
ATTENTION = (L.MultiHeadAttention, L.GroupQueryAttention)
MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask", "use_causal_mask", "training")
# Settings that change what is computed, or how it is trained, beyond the dense layers.
OTHERS = (
    *("use_gate", "sliding_window", "kernel_constraint", "bias_constraint"),
    "activity_regularizer",
)


def expand_attention(model: keras.Model) -> keras.Model:
    """Turn `MultiHeadAttention` and `GroupQueryAttention` into layers that compute the same.

    The dense layer of the output has the name. The others are named after it: `<name>_query`,
    `<name>_key`, `<name>_value`, the products `<name>_scores` and `<name>_context`, and between
    the products `<name>_softmax`, which has the factor 1/sqrt(depth). Layers that are called with
    masks, and those with gates, windows, constraints or several attention axes, stay.
    """
    graph = Graph(model)
    attention = [call for call in graph.calls if type(call.layer) in ATTENTION]
    others = {call.layer for call in attention if not _is_plain(call)}
    plain = [call for call in attention if call.layer not in others]
    outputs, additions = Replacements(graph, plain), Additions(graph)

    def rule(call, new):
        given = {**dict(zip(("query", "value", "key"), call.args, strict=False)), **call.kwargs}
        query, value = new(given["query"]), new(given["value"])
        key = value if given.get("key") is None else new(given["key"])
        result, scores = _Attention(call.layer, outputs, additions)(query, key, value)
        return [result, scores] if len(call.outputs) > 1 else result

    return rewrite(graph, rule, plain)


def _is_plain(call: Call) -> bool:
    """Return whether dense layers, two products and a softmax are all that is computed."""
    config, parts = call.layer.get_config(), projections(call.layer).values()
    given = [call.kwargs.get(name) for name in MASKS]
    masked = len(call.args) > 3 or not all(value is None or value is False for value in given)
    masked = masked or any(timestep_mask(tensor) is not None for tensor in call.inputs)
    sequences = all(len(t.shape) == 3 and t.shape[1] is not None for t in call.inputs)
    return (
        sequences
        and not masked
        and not any(config.get(name) for name in OTHERS)
        and all(part.kernel.ndim == 3 for part in parts)
        and all(part.quantization_mode is None and not part.lora_enabled for part in parts)
    )


class _Attention:
    """Writes the calls of one attention layer. They share its parts."""

    def __init__(self, layer, outputs, additions):
        self.layer, self.outputs, self.additions = layer, outputs, additions
        self.parts = projections(layer)
        self.heads, depth = self.parts["query"].kernel.shape[1:]
        self.groups = self.parts["key"].kernel.shape[1]  # heads that share a key form a group
        self.scale = 1.0 / math.sqrt(depth)

    def __call__(self, query, key, value):
        """Return the output, and the probabilities of each head."""
        length, source, shared = query.shape[1], key.shape[1], self.heads // self.groups
        rows = self.split(self.dense("query", query), self.heads, "query")
        keys = self.split(self.dense("key", key), self.groups, "key")
        values = self.split(self.dense("value", value), self.groups, "value")
        rows = self.reshaped(rows, (self.groups, shared * length, rows.shape[-1]), "query_groups")
        scores = self.part("scores", Matmul)([rows, self.swapped(keys)])
        chosen = probabilities = self.part("softmax", ScaledSoftmax, scale=self.scale)(scores)
        if self.layer.dropout:
            chosen = self.part("dropout", L.Dropout, rate=self.layer.dropout)(chosen)
        context = self.part("context", Matmul)([chosen, values])
        context = self.reshaped(context, (self.heads, length, context.shape[-1]), "context_heads")
        context = self.part("context_axes", L.Permute, dims=(2, 1, 3))(context)
        context = self.reshaped(context, (length, self.heads * context.shape[-1]), "context_joined")
        scores = self.reshaped(probabilities, (self.heads, length, source), "probabilities")
        output = self.outputs(self.layer, None, lambda name: self.made("output", name))
        return call_and_fill(output, self.filled("output"), context), scores

    def dense(self, which, x):
        key, name = (self.layer, which), f"{self.layer.name}_{which}"
        layer = self.additions(key, name, lambda name: self.made(which, name))
        return call_and_fill(layer, self.filled(which), x)

    def made(self, which, name):
        einsum = self.parts[which]
        shape = einsum.kernel.shape
        return L.Dense(
            shape[-1] if which == "output" else math.prod(shape[1:]),
            use_bias=einsum.bias is not None,
            kernel_regularizer=einsum.kernel_regularizer,
            bias_regularizer=einsum.bias_regularizer,
            trainable=self.layer.trainable and einsum.trainable,
            dtype=einsum.dtype_policy,
            name=name,
        )

    def filled(self, which):
        def fill(dense):
            weights = map(ops.convert_to_numpy, self.parts[which].weights)
            pairs = zip(dense.weights, weights, strict=True)
            dense.set_weights([value.reshape(variable.shape) for variable, value in pairs])

        return fill

    def split(self, x, heads, which):
        """Return the heads of a sequence, in front of its steps."""
        shape = (x.shape[1], heads, x.shape[-1] // heads)
        x = self.reshaped(x, shape, f"{which}_heads")
        return self.part(f"{which}_axes", L.Permute, dims=(2, 1, 3))(x)

    def swapped(self, x):
        return self.part("key_transposed", L.Permute, dims=(1, 3, 2))(x)

    def reshaped(self, x, shape, name):
        if tuple(x.shape[1:]) == shape:
            return x
        return self.part(name, L.Reshape, target_shape=shape)(x)

    def part(self, which, kind, **arguments):
        """Return a layer without weights."""
        key = (self.layer, which, *arguments.values())
        name = f"{self.layer.name}_{which}"
        policy = self.layer.dtype_policy
        make = lambda name: kind(**arguments, name=name, dtype=policy)  # noqa: E731
        return self.additions(key, name, make)
