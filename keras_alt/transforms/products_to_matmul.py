"""Replacement of products of two tensors by matrix products between moves."""

import math
from dataclasses import dataclass

import keras

from keras_alt.graph import Call, Graph, rewrite
from keras_alt.keras_internals import timestep_mask
from keras_alt.layers import Matmul
from keras_alt.operators import is_operator
from keras_alt.replacements import Additions, Replacements

L = keras.layers


def products_to_matmul(model: keras.Model) -> keras.Model:
    """Turn `ops.matmul(x, y)`, `ops.einsum` of two tensors and `Dot` into a `Matmul` layer.

    Where an equation has its axes in another order, or several of a kind, the operands and the
    product are transposed and reshaped. The matrix product has the name. Products that are none
    for each sample, or whose sizes are not known, stay.
    """
    graph = Graph(model)
    equations = {call: found for call in graph.calls if (found := _equation(call))}
    products, additions = Replacements(graph, equations), Additions(graph)

    def rule(call, new):
        x, y = new(list(call.inputs))
        if any(timestep_mask(tensor) is not None for tensor in (x, y)):
            return None
        return _product(equations[call], call, _Moves(call.layer, additions), products, x, y)

    return rewrite(graph, rule, equations)


@dataclass(frozen=True)
class _Equation:
    """The letters of the axes of a product of two tensors.

    Attributes:
        first, second, output: of the operands and the output.
        sizes: the length of each axis, None for the batch.
    """

    first: str
    second: str
    output: str
    sizes: dict[str, int | None]

    @property
    def stacked(self):
        """The axes that all three have, the batch first: matrices are multiplied for each."""
        return [a for a in self.output if a in self.first and a in self.second]

    @property
    def rows(self):
        return [a for a in self.output if a not in self.second]

    @property
    def columns(self):
        return [a for a in self.output if a not in self.first]

    @property
    def summed(self):
        return [a for a in self.first if a in self.second and a not in self.output]

    def shape(self, *axes: list) -> tuple:
        """Return sizes behind the batch, where each list of axes is joined to one."""
        return tuple(math.prod(self.sizes[axis] for axis in joined) for joined in axes)

    def is_product(self):
        """Return whether it is a matrix product for each sample."""
        terms = (self.first, self.second, self.output)
        distinct = all(len(set(term)) == len(term) for term in terms)
        everywhere = {*self.first} ^ {*self.second} <= {*self.output} <= {*self.sizes}
        batch = len({term[:1] for term in terms}) == 1
        return distinct and everywhere and batch and bool(self.summed)


def _equation(call: Call) -> _Equation | None:
    """Return the equation of a product of two tensors of known sizes, else None."""
    if len(call.inputs) != 2 or any(None in tensor.shape[1:] for tensor in call.inputs):
        return None
    ranks = [len(tensor.shape) for tensor in call.inputs]
    if is_operator(call.layer, "Einsum"):
        text = call.layer.subscripts.replace(" ", "")
    elif is_operator(call.layer, "Matmul") and ranks[0] == ranks[1] > 2:
        stacked = "abcdefgh"[: ranks[0] - 2]
        text = f"{stacked}xy,{stacked}yz->{stacked}xz"
    elif type(call.layer) is L.Dot and not call.layer.normalize:
        text = _dot(call.layer.axes, *ranks)
    else:
        return None
    return _sized(text, [tensor.shape for tensor in call.inputs])


def _dot(axes, first, second):
    """Return the equation of a `Dot` of tensors of two ranks."""
    at, there = (axes, axes) if isinstance(axes, int) else axes
    rows = "abcdefg"[:first]
    columns = "a" + "nopqrst"[: second - 1]
    x = "".join("z" if i == at % first else axis for i, axis in enumerate(rows))
    y = "".join("z" if i == there % second else axis for i, axis in enumerate(columns))
    output = x.replace("z", "") + y[1:].replace("z", "")
    return f"{x},{y}->{output}"


def _sized(text, shapes):
    terms, arrow, output = text.partition("->")
    first, comma, second = terms.partition(",")
    letters = first + second + output
    if not arrow or not comma or not letters.isalpha():  # `...` and implicit outputs
        return None
    sizes = {}
    for term, shape in zip((first, second), shapes, strict=True):
        for axis, size in zip(term, shape, strict=True):
            if sizes.setdefault(axis, size) != size:  # a repeated axis of size 1
                return None
    equation = _Equation(first, second, output, sizes)
    return equation if equation.is_product() else None


class _Moves:
    """Makes the layers around the products of one layer. Its calls share them."""

    def __init__(self, layer, additions):
        self.layer, self.additions = layer, additions

    def transposed(self, x, old, new, place):
        order = tuple([*old].index(axis) for axis in new)
        if order == tuple(range(len(order))):
            return x
        name = f"{self.layer.name}_{place}_axes"
        make = lambda name: L.Permute(order[1:], name=name)  # noqa: E731
        return self.additions((self.layer, place, "axes", order), name, make)(x)

    def reshaped(self, x, shape, place):
        if tuple(x.shape[1:]) == shape:
            return x
        make = lambda name: L.Reshape(shape, name=name)  # noqa: E731
        name = f"{self.layer.name}_{place}"
        return self.additions((self.layer, place, shape), name, make)(x)


def _product(e: _Equation, call, moves: _Moves, products, x, y):
    stacked = [[axis] for axis in e.stacked[1:]]
    x = moves.transposed(x, e.first, [*e.stacked, *e.rows, *e.summed], "first")
    x = moves.reshaped(x, e.shape(*stacked, e.rows, e.summed), "first")
    y = moves.transposed(y, e.second, [*e.stacked, *e.summed, *e.columns], "second")
    y = moves.reshaped(y, e.shape(*stacked, e.summed, e.columns), "second")
    make = lambda name: Matmul(name=name)  # noqa: E731
    z = products(call.layer, (x.shape, y.shape), make)([x, y])
    ordered = [*e.stacked, *e.rows, *e.columns]
    z = moves.reshaped(z, e.shape(*([axis] for axis in ordered[1:])), "product")
    z = moves.transposed(z, ordered, e.output, "product")
    return moves.reshaped(z, tuple(call.output.shape[1:]), "output")
