"""Operators become layers with their arguments."""

import keras
import models
import pytest
from conftest import assert_same_function, assert_same_outputs
from keras import layers as L
from keras import ops

from keras_alt.transforms import inline, operators_to_layers

pytestmark = pytest.mark.check


@pytest.mark.backend
def test_operators_become_layers(rng):
    model = models.operators()
    result = operators_to_layers(model)
    assert all(isinstance(operation, L.Layer) for operation in result.operations)
    assert_same_function(model, result, rng)


@pytest.mark.parametrize(
    "operator",
    [
        ops.gelu,
        keras.activations.gelu,
        lambda x: keras.activations.relu(x, max_value=1.0),
        lambda x: keras.activations.relu(x, negative_slope=0.3, max_value=1.0, threshold=0.1),
        lambda x: ops.elu(x, alpha=0.5),
        lambda x: ops.leaky_relu(x, negative_slope=0.3),
    ],
)
def test_operators_keep_their_arguments(operator, rng):
    x = keras.Input((8,))
    model = keras.Model(x, operator(x))
    assert_same_function(model, operators_to_layers(model), rng, relative=1e-7)


def test_operators_of_masked_tensors_stay(rng):
    x = keras.Input((6, 3))
    y = L.Dense(4)(L.Masking()(x))
    model = keras.Model(x, ops.softmax(ops.mean(y, axis=1)))
    values = rng.normal(size=(5, 6, 3)).astype("float32")
    values[:, 3:] = 0
    result = operators_to_layers(inline(model))
    assert_same_outputs(model, result, values)
