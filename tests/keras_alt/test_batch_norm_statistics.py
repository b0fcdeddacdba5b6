"""`refresh_batch_norm` gives each norm the statistics of what reaches it."""

import keras
import numpy as np
import pytest
from conftest import outputs, randomize
from keras import layers as L

import keras_alt

SIZE = (5, 4, 3)


def network(**options):
    inputs = keras.Input(SIZE)
    x = L.Conv2D(4, 3, padding="same")(L.BatchNormalization(name="first")(inputs))
    x = L.ReLU()(L.BatchNormalization(name="second", **options)(x))
    x = L.Add()([x, L.BatchNormalization(name="third")(L.Conv2D(4, 1)(x))])
    x = L.BatchNormalization(axis=1, name="rows")(x)
    return keras.Model(inputs, L.Dense(2)(x))


def refreshed(model, x, **options):
    return keras_alt.refresh_batch_norm(model, x, verbose=False, batch_size=7, **options)


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, L.BatchNormalization)]


def statistics(norm):
    return [np.array(norm.moving_mean), np.array(norm.moving_variance)]


def assert_statistics_are_those_of_inputs(model, x):
    for norm in norms(model):
        (values,) = outputs(keras.Model(model.inputs, norm.input), x)
        axes = tuple(i for i in range(values.ndim) if i != norm.axis % values.ndim)
        expected = [values.mean(axes), values.var(axes)]
        np.testing.assert_allclose(statistics(norm), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.backend
def test_statistics_are_those_of_the_data_layer_by_layer(rng):
    model, x = randomize(network(), rng), rng.normal(2, 3, (30, *SIZE)).astype("float32")
    before = model.get_weights()
    result = refreshed(model, x)
    assert len(norms(result)) == 4
    assert_statistics_are_those_of_inputs(result, x)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_time_changes_nothing(rng):
    x = rng.normal(2, 3, (30, *SIZE)).astype("float32")
    once = refreshed(randomize(network(), rng), x)
    for a, b in zip(once.get_weights(), refreshed(once, x).get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_frozen_norms_keep_theirs(rng):
    model = randomize(network(trainable=False), rng)
    result = refreshed(model, rng.normal(2, 3, (30, *SIZE)))
    kept = [
        np.array_equal(statistics(model.get_layer(n.name)), statistics(n)) for n in norms(result)
    ]
    assert kept == [n.name == "second" for n in norms(result)]


def test_norms_of_nested_and_sequential_models(rng):
    inner = keras.Sequential(
        [keras.Input(SIZE), L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()], name="inner"
    )
    model = keras.Sequential([keras.Input(SIZE), inner, L.BatchNormalization()])
    x = rng.normal(2, 3, (30, *SIZE)).astype("float32")
    result = refreshed(model, x)
    assert len(norms(result)) == 2
    assert_statistics_are_those_of_inputs(result, x)
    np.testing.assert_array_equal(inner.layers[-2].moving_mean, 0)


def test_a_norm_that_is_called_twice_sees_all_its_inputs(rng):
    inputs = keras.Input((3,))
    norm = L.BatchNormalization(name="norm")
    model = keras.Model(inputs, [norm(inputs), norm(inputs + 4.0)])
    x = rng.normal(size=(64, 3)).astype("float32")
    mean, variance = statistics(refreshed(model, x).get_layer("norm"))
    seen = np.concatenate([x, x + 4])
    np.testing.assert_allclose([mean, variance], [seen.mean(0), seen.var(0)], rtol=1e-4, atol=1e-5)


def test_only_the_first_samples_count(rng):
    model, x = network(), rng.normal(size=(30, *SIZE)).astype("float32")
    result = refreshed(model, np.concatenate([x, x + 100]), samples=30)
    assert_statistics_are_those_of_inputs(result, x)


def test_what_has_no_norms_is_told(rng):
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)], name="plain")
    with pytest.raises(ValueError, match="batch normalizations.*Received: model 'plain'"):
        refreshed(model, rng.normal(size=(4, 3)))
    with pytest.raises(ValueError, match="Received"):
        refreshed(network(), rng.normal(size=(4, 3)))
    with pytest.raises(ValueError, match="`refresh_batch_norm` expects a float model"):
        refreshed(keras_alt.quantize_model(network()), rng.normal(size=(4, 3)))
    with pytest.raises(TypeError, match=r"Keras 3 `keras.Model`"):
        refreshed(L.Dense(2), rng.normal(size=(4, 3)))
