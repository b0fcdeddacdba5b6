"""Operators that sum products of two tensors: matrix products, Einstein sums, attention."""

import math

import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.engines.onnx_float.reductions import axes_of
from keras_alt.engines.onnx_float.writer import composes, writes_float


@writes_float("Matmul")
def _matmul(writer, call, x1, x2):
    dtype = call.output.dtype
    return writer.add("MatMul", writer.operand(x1, dtype), writer.operand(x2, dtype))


@writes_float("Einsum")
def _einsum(writer, call, *operands, **kwargs):
    operands = [writer.operand(x, call.output.dtype) for x in operands]
    return writer.add("Einsum", *operands, equation=call.layer.subscripts.replace(" ", ""))


@composes("Dot")
def _dot(operator, x1, x2):
    first, second = len(x1.shape), len(x2.shape)
    if not first or not second:
        return x1 * x2
    if second <= 2:
        return ops.matmul(x1, x2)
    return ops.tensordot(x1, x2, axes=[[first - 1], [second - 2]])


@composes("Tensordot")
def _tensordot(operator, x1, x2):
    first, second = len(x1.shape), len(x2.shape)
    axes = operator.axes
    if isinstance(axes, int):
        axes = [list(range(first - axes, first)), list(range(axes))]
    summed = [[a] if isinstance(a, int) else list(a) for a in axes]
    summed = [[int(a) % n for a in part] for part, n in zip(summed, (first, second), strict=True)]
    return ops.einsum(_sum_over(first, second, *summed), x1, x2)


def _sum_over(first, second, axes1, axes2):
    """Return the subscripts of a sum over pairs of axes of two tensors."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    one, two = list(letters[:first]), list(letters[first : first + second])
    for a, b in zip(axes1, axes2, strict=True):
        two[b] = one[a]
    kept = [c for i, c in enumerate(one) if i not in axes1]
    kept += [c for i, c in enumerate(two) if i not in axes2]
    return f"{''.join(one)},{''.join(two)}->{''.join(kept)}"


@composes("Outer")
def _outer(operator, x1, x2):
    return ops.reshape(x1, (-1, 1)) * ops.reshape(x2, (1, -1))


@composes("Inner")
def _inner(operator, x1, x2):
    return ops.tensordot(x1, x2, axes=[[len(x1.shape) - 1], [len(x2.shape) - 1]])


@composes("Vdot")
def _vdot(operator, x1, x2):
    return ops.sum(ops.ravel(x1) * ops.ravel(x2))


@composes(L.Dot)
def _dot_layer(layer, inputs):
    """Sum over one axis of each; samples stay apart."""
    x1, x2 = inputs
    axes = layer.axes if isinstance(layer.axes, (tuple, list)) else (layer.axes, layer.axes)
    (first,), (second,) = (axes_of(a, len(x.shape)) for a, x in zip(axes, inputs, strict=True))
    if layer.normalize:
        x1, x2 = ops.normalize(x1, axis=first), ops.normalize(x2, axis=second)
    subscripts = _sum_over(len(x1.shape), len(x2.shape), [first], [second])
    one, two, result = subscripts.replace("->", ",").split(",")
    result = result.replace(two[0], "")
    product = ops.einsum(f"{one},{two.replace(two[0], one[0])}->{result}", x1, x2)
    return ops.expand_dims(product, 1) if len(result) == 1 else product


@composes("DotProductAttention")
def _attention(operator, query, key, value, bias=None, mask=None, scale=None):
    heads, shared = query.shape[2], key.shape[2]
    if heads > shared > 1:
        key, value = (ops.repeat(x, heads // shared, axis=2) for x in (key, value))
    scale = 1 / math.sqrt(key.shape[-1]) if scale is None else scale
    scores = ops.einsum("btnh,bsnh->bnts", query, key) * scale
    if bias is not None:
        scores = scores + bias
    if operator.is_causal:
        causal = _causal(scores, query.shape[1], key.shape[1])
        mask = causal if mask is None else ops.logical_and(ops.cast(mask, "bool"), causal)
    if mask is not None:
        scores = ops.where(mask, scores, -2e38)
    return ops.einsum("bnts,bsnh->btnh", ops.softmax(scores, axis=-1), value)


def _causal(scores, rows, columns):
    """Return a mask of the scores of keys that are not behind the query."""
    if rows is not None and columns is not None:
        return np.tril(np.ones([rows, columns], bool))[None, None]
    ones = ops.ones_like(scores)
    return ops.cumsum(ones, axis=2) >= ops.cumsum(ones, axis=3)
