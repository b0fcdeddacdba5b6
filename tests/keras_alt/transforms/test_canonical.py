"""The canonical form: the same function, in plain layers."""

import keras
import models
import numpy as np
import pytest
from conftest import assert_same_function, outputs, pairs, randomize, types
from keras import layers as L

from keras_alt import QuantizeConfig
from keras_alt.transforms import (
    CANONICAL,
    average_pool_to_depthwise,
    average_pool_to_mean,
    canonical,
    fold_batch_norm,
    in_float32,
    mean_to_average_pool,
)

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    "transform",
    [
        *CANONICAL[1:],  # `inline` copies the model in any case
        in_float32,
        fold_batch_norm,
        mean_to_average_pool,
        average_pool_to_depthwise,
        average_pool_to_mean,
    ],
    ids=lambda transform: transform.__name__,
)
def test_a_transform_without_work_returns_its_model(transform):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.ReLU()(L.Conv2D(4, 3)(inputs)))
    assert transform(model) is model


@pytest.mark.backend
@pytest.mark.parametrize(("make", "target"), pairs(models.FUNCTIONAL, ["paper", "litert"]))
def test_the_canonical_model_is_the_same_function(make, target, rng):
    model = randomize(make(), rng)

    result = canonical(model, QuantizeConfig(target=target))

    assert_same_function(model, result, rng)
    assert not any(isinstance(layer, keras.Model) for layer in result.layers)
    again = result
    for transform in CANONICAL:
        again = transform(again)
    assert [layer.name for layer in again.layers] == [layer.name for layer in result.layers]


def test_a_subclassed_model_is_traced_and_folded(rng):
    model = randomize(models.subclassed(), rng)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")

    result = canonical(model, QuantizeConfig())

    assert L.BatchNormalization not in types(result)
    np.testing.assert_allclose(outputs(model, x)[0], outputs(result, x)[0], atol=1e-5)


def test_the_original_model_is_not_changed(rng):
    model = randomize(models.residual(), rng)
    before, config = model.get_weights(), model.get_config()
    canonical(model, QuantizeConfig())
    assert model.get_config() == config
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
