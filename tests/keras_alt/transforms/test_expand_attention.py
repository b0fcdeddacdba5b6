"""Attention becomes dense layers and products."""

import keras
import numpy as np
import pytest
from conftest import assert_same_outputs, randomize, sample, types
from keras import layers as L

from keras_alt.layers import Matmul
from keras_alt.transforms import expand_attention

pytestmark = pytest.mark.check


def attended(layer, sizes, **options):
    inputs = [keras.Input(size) for size in sizes]
    results = layer(*inputs, **options)
    return keras.Model(inputs, results)


ATTENTION = {
    "self": lambda: attended(lambda x: L.MultiHeadAttention(2, 5, name="mha")(x, x), [(6, 8)]),
    "cross": lambda: attended(
        L.MultiHeadAttention(3, 4, value_dim=5, output_shape=7, use_bias=False, name="mha"),
        [(6, 8), (4, 3), (4, 5)],
    ),
    "scores": lambda: attended(
        L.MultiHeadAttention(1, 4, dropout=0.5, name="mha"),
        [(6, 8), (5, 8)],
        return_attention_scores=True,
    ),
    "groups": lambda: attended(
        L.GroupQueryAttention(4, 6, 2, name="mha"), [(6, 8), (5, 8)], return_attention_scores=True
    ),
}


@pytest.mark.tensorflow_only  # torch fuses attention and rounds otherwise; JAX fails at two of them
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_becomes_dense_layers_and_products(name, rng):
    model = randomize(ATTENTION[name](), rng)

    result = expand_attention(model)

    assert types(result).count(Matmul) == 2
    assert types(result).count(L.Dense) == 4
    assert type(result.get_layer("mha")) is L.Dense
    assert all(layer.name.startswith(("mha", "input", "keras")) for layer in result.layers)
    assert_same_outputs(model, result, sample(model, rng))


def test_calls_of_one_attention_layer_share_its_parts(rng):
    inputs = [keras.Input((6, 8)), keras.Input((5, 8))]
    layer = L.MultiHeadAttention(2, 4)
    model = keras.Model(inputs, [layer(*inputs), layer(*inputs[::-1]), layer(*inputs)])

    result = expand_attention(randomize(model, rng))

    assert len(result.trainable_weights) == len(model.trainable_weights)
    assert_same_outputs(model, result, sample(model, rng))


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({}, {"use_causal_mask": True}),
        ({}, {"attention_mask": np.ones((1, 6, 6), bool)}),
        ({"attention_axes": (1, 2)}, {}),
        ({"kernel_constraint": keras.constraints.MaxNorm(1.0)}, {}),
    ],
)
def test_attention_with_masks_or_more_stays(settings, arguments):
    x = keras.Input((6, 3, 8) if "attention_axes" in settings else (6, 8))
    model = keras.Model(x, L.MultiHeadAttention(2, 4, **settings)(x, x, **arguments))
    assert expand_attention(model) is model


def test_attention_on_masked_steps_stays(rng):
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 8, mask_zero=True)(ids)
    model = keras.Model(ids, L.MultiHeadAttention(2, 4)(x, x))
    assert expand_attention(model) is model
