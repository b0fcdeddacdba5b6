"""Replacement of Einstein sums with a kernel by dense layers."""

import math
import string
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_alt.graph import Call, Graph, call_and_fill, rewrite
from keras_alt.replacements import Replacements

L = keras.layers


def einsum_to_dense(model: keras.Model) -> keras.Model:
    """Turn an `EinsumDense` that mixes whole axes into a `Dense` between moves.

    The dense layer has the name. Where an equation sums over several axes, or gives several new
    ones, they are reshaped into one; where they are not the last axes, the tensor is transposed.
    A kernel that differs along an axis that stays (`"abc,bcd->abd"`) is no dense layer, and stays.
    """
    graph = Graph(model)
    axes = {call: found for call in graph.calls if (found := _axes(call))}
    denses, moves = Replacements(graph, axes), Replacements(graph, axes)

    def rule(call, new):
        return _Dense(call, axes[call], denses, moves)(new(call.inputs[0]))

    return rewrite(graph, rule, axes)


@dataclass(frozen=True)
class _Axes:
    """The letters of an equation.

    Attributes:
        before, kernel, after: of the input, the kernel and the output.
        kept, summed, created: those that stay, in the order of the output; that the sum takes away;
            that the kernel gives.
    """

    before: str
    kernel: str
    after: str
    kept: str
    summed: str
    created: str


def _axes(call: Call) -> _Axes | None:
    """Return the axes of an equation that a dense layer computes, else None."""
    layer = call.layer
    if type(layer) is not L.EinsumDense or layer.quantization_mode is not None:
        return None
    terms, output = layer.equation.replace(" ", "").split("->")
    before, kernel = terms.split(",")
    if "..." in before:
        count = len(call.inputs[0].shape) - len(before) + 3
        free = (letter for letter in string.ascii_letters if letter not in layer.equation)
        elided = "".join(next(free) for _ in range(count))
        before, output = before.replace("...", elided), output.replace("...", elided)
    kept = "".join(letter for letter in output if letter in before)
    summed = "".join(letter for letter in before if letter not in output)
    created = "".join(letter for letter in output if letter not in before)
    axes = _Axes(before, kernel, output, kept, summed, created)
    is_dense = summed and set(kernel) == {*summed, *created} and before[0] == output[0]
    sizes_known = None not in call.inputs[0].shape[1:]
    needs_sizes = len(summed) != 1 or len(created) != 1
    has_own_bias = set(layer.bias_axes or "") <= set(created)
    return axes if is_dense and has_own_bias and (sizes_known or not needs_sizes) else None


class _Dense:
    """Applies a dense layer for one call of an `EinsumDense`."""

    def __init__(self, call, axes, denses, moves):
        self.layer, self.axes, self.denses, self.moves = call.layer, axes, denses, moves
        self.sizes = dict(zip(axes.kernel, call.layer.kernel.shape, strict=True))

    def __call__(self, x):
        a = self.axes
        x = self.permuted(x, a.before, a.kept + a.summed, "before")
        kept = x.shape[1 : len(a.kept)]
        x = self.reshaped(x, (*kept, self.inner), "before")
        y = call_and_fill(self.denses(self.layer, None, self.dense), self.fill, x)
        y = self.reshaped(y, (*kept, *(self.sizes[axis] for axis in a.created)), "after")
        return self.permuted(y, a.kept + a.created, a.after, "after")

    @property
    def inner(self):
        return math.prod(self.sizes[axis] for axis in self.axes.summed)

    @property
    def units(self):
        return math.prod(self.sizes[axis] for axis in self.axes.created)

    def dense(self, name):
        layer, same = self.layer, self.axes.kernel == self.axes.summed + self.axes.created
        return L.Dense(
            self.units,
            activation=layer.activation,
            use_bias=layer.bias is not None,
            kernel_regularizer=layer.kernel_regularizer,
            bias_regularizer=layer.bias_regularizer,
            kernel_constraint=layer.kernel_constraint if same and len(self.sizes) == 2 else None,
            bias_constraint=layer.bias_constraint if len(self.axes.created) == 1 else None,
            trainable=layer.trainable,
            dtype=layer.dtype_policy,
            name=name,
        )

    def fill(self, dense):
        a, layer = self.axes, self.layer
        order = [a.kernel.index(axis) for axis in a.summed + a.created]
        kernel = ops.convert_to_numpy(layer.kernel).transpose(order)
        weights = [kernel.reshape(self.inner, self.units)]
        if layer.bias is not None:
            bias = ops.convert_to_numpy(layer.bias)
            # Keras aligns it with the output; along kept axes, its size is 1.
            whole = bias.reshape(*[1] * (len(a.after) - bias.ndim), *bias.shape)
            kept = tuple(i for i, axis in enumerate(a.after) if axis in a.kept)
            created = tuple(self.sizes[axis] for axis in a.created)
            weights.append(np.broadcast_to(whole.squeeze(kept), created).reshape(-1))
        dense.set_weights(weights)

    def permuted(self, x, old, new, place):
        order = [old.index(axis) for axis in new]
        if order == sorted(order):
            return x
        make = lambda name: L.Permute(order[1:], name=f"{name}_{place}_axes")  # noqa: E731
        return self.moves(self.layer, (place, "axes"), make)(x)

    def reshaped(self, x, shape, place):
        if tuple(x.shape[1:]) == tuple(shape):
            return x
        make = lambda name: L.Reshape(shape, name=f"{name}_{place}")  # noqa: E731
        return self.moves(self.layer, (place, shape), make)(x)
