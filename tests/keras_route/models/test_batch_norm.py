"""The batch norm that TensorFlow fuses is Keras' in every result."""

import keras
import numpy as np
import pytest
from conftest import assert_same_function, gradients, randomize
from keras import layers, ops

from keras_alt.transforms import fold_batch_norm
from keras_route.models import FCNRouter
from keras_route.models.batch_norm import BatchNormalization

pytestmark = pytest.mark.backend


def twins(shape, rng, **options):
    """Return our layer and Keras' with the same variables."""
    pair = [kind(**options) for kind in (BatchNormalization, layers.BatchNormalization)]
    for layer in pair:
        layer.build(shape)
    for ours, theirs in zip(*(layer.weights for layer in pair), strict=True):
        values = rng.uniform(0.5, 1.5, ours.shape)
        ours.assign(values)
        theirs.assign(values)
    return pair


def trained(layer, x):
    """Return what a training call gives, and what it leaves in the variables."""
    results = [layer(x, training=True), *layer.weights]
    return [ops.convert_to_numpy(ops.cast(value, "float32")) for value in results]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((3, 5, 4, 6), {}),
        ((2, 1, 1, 6), {}),  # where the variance with and without bias is twice as different
        ((3, 5, 4, 6), {"epsilon": 1e-5, "momentum": 0.9, "axis": 3}),
        ((3, 5, 4, 6), {"axis": 1}),
        ((3, 5, 4, 6), {"scale": False}),
        ((3, 5, 4, 6), {"center": False}),
        ((3, 5, 4, 6), {"trainable": False}),
        ((3, 5, 4, 6), {"dtype": "float64"}),
        ((3, 5, 4, 6), {"dtype": "mixed_float16"}),
        ((8, 6), {}),
    ],
)
def test_outputs_and_statistics_are_those_of_keras(shape, options, rng):
    ours, theirs = twins(shape, rng, **options)
    x = rng.normal(1, 2, shape).astype("float32")
    inference = [ops.convert_to_numpy(layer(x, training=False)) for layer in (ours, theirs)]
    np.testing.assert_array_equal(*inference)
    atol = 2e-3 if options.get("dtype") == "mixed_float16" else 5e-6
    for a, b in zip(trained(ours, x), trained(theirs, x), strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)


def test_masked_pixels_do_not_count(rng):
    shape = (3, 5, 4, 6)
    ours, theirs = twins(shape, rng)
    x = rng.normal(size=shape).astype("float32")
    mask = rng.random(shape[:-1]) < 0.5
    for layer in (ours, theirs):
        layer(x, training=True, mask=mask)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_training_step_is_that_of_keras(compiled, rng):
    shape = (4, 6, 5, 3)
    x, y = (rng.normal(1, 2, shape).astype("float32") for _ in range(2))
    weights = []
    for layer in twins(shape, rng):
        model = keras.Sequential([keras.Input(shape[1:]), layer])
        model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=not compiled)
        model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6, rtol=1e-5)


def test_the_gradient_of_the_images_is_that_of_keras(rng):
    shape = (4, 6, 5, 3)
    x, up = (rng.normal(1, 2, shape).astype("float32") for _ in range(2))
    ours, theirs = (
        gradients(lambda x, layer=layer: ops.multiply(layer(x, training=True), up), [x])[0]
        for layer in twins(shape, rng)
    )
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_keras_alt_folds_it(rng):
    model = randomize(FCNRouter(height=8, width=8), rng)
    folded = fold_batch_norm(model)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    assert_same_function(model, folded, rng)
