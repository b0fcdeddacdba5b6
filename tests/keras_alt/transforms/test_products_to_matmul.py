"""Products of two tensors become matrix products."""

import keras
import pytest
from conftest import assert_same_outputs, sample, types
from keras import layers as L
from keras import ops

from keras_alt.layers import Matmul
from keras_alt.operators import is_operator
from keras_alt.transforms import products_to_matmul

pytestmark = pytest.mark.check


PRODUCTS = {
    "matmul": lambda x, y: ops.matmul(x, ops.transpose(y, (0, 1, 3, 2))),
    "attention": lambda x, y: ops.einsum("btnh,bsnh->bnts", x, y),
    "several of a kind": lambda x, y: ops.einsum("bijk,bijl->blk", x, y),
    "several rows": lambda x, y: ops.einsum("bijk,bljk->bilj", x, y),
    "an outer axis": lambda x, y: ops.einsum("bijk,bljk->bil", x, y),
    "all summed": lambda x, y: ops.einsum("bijk,bijk->b", x, y),
    "dot": lambda x, y: L.Dot(axes=(3, -1))([x, y]),
    "dot of vectors": lambda x, y: L.Dot(axes=1)([L.Flatten()(x), L.Flatten()(y)]),
}
NO_PRODUCTS = {
    "of the batch": lambda x, y: ops.einsum("bijk,bljk->ilj", x, y),
    "elementwise": lambda x, y: ops.einsum("bijk,bijk->bijk", x, y),
    "a sum of one": lambda x, y: ops.einsum("bijk,bljk->bi", x, y),
    "a diagonal": lambda x, y: ops.einsum("biik,biik->bik", x, y),
    "cosines": lambda x, y: L.Dot(axes=3, normalize=True)([x, y]),
    "broadcast": lambda x, y: ops.matmul(x[:, :1], y),
}


@pytest.mark.backend
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_of_tensors_becomes_a_matrix_product(name, rng):
    inputs = [keras.Input((3, 3, 4)), keras.Input((3, 3, 4))]
    model = keras.Model(inputs, PRODUCTS[name](*inputs))

    result = products_to_matmul(model)

    assert types(result).count(Matmul) == 1
    assert not any(is_operator(layer, "Einsum", "Matmul") for layer in result.operations)
    assert L.Dot not in types(result)
    assert_same_outputs(model, result, sample(model, rng))


@pytest.mark.parametrize("name", NO_PRODUCTS)
def test_other_products_of_tensors_stay(name):
    inputs = [keras.Input((4, 4, 4)), keras.Input((4, 4, 4))]
    model = keras.Model(inputs, NO_PRODUCTS[name](*inputs))
    assert products_to_matmul(model) is model
