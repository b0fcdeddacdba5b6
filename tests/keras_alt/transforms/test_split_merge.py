"""A merge of many becomes merges of two."""

import keras
import pytest
from conftest import assert_same_outputs, sample
from keras import layers as L

from keras_alt.transforms import split_merge

pytestmark = pytest.mark.check


@pytest.mark.backend
@pytest.mark.parametrize("merge", [L.Add, L.Multiply, L.Maximum, L.Minimum])
def test_a_merge_of_many_becomes_merges_of_two(merge, rng):
    inputs = [keras.Input(size) for size in [(4, 4, 3), (1, 1, 3), (4, 4, 1), (3,)]]
    shared = merge(name="shared")
    outputs = [shared(inputs), shared([inputs[0]] * 3), merge(name="two")(inputs[:2])]
    model = keras.Model(inputs, outputs)

    result = split_merge(model)

    assert all(len(layer.input) == 2 for layer in result.layers if isinstance(layer, merge))
    assert_same_outputs(model, result, sample(model, rng))
    names = {layer.name for layer in result.layers if isinstance(layer, merge)}
    partials = {f"shared_partial_{i}" for i in (1, 2, 3)}
    assert names == {"shared", "shared_1", "two"} | partials


def test_what_is_split_off_a_merge_gets_a_free_name():
    inputs = keras.Input((3,))
    x = L.Dense(3, name="sum_partial_1")(inputs)
    result = split_merge(keras.Model(inputs, L.Add(name="sum")([inputs, x, x])))
    assert [layer.name for layer in result.layers[-2:]] == ["sum_partial_2", "sum"]
