"""Recipes: quantization step by step, each step judged by a figure."""

import math

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt import recipes
from keras_alt.record import record_of


def depthwise_network():
    """Return a network that one scale per tensor does not suit: gamma spreads over six octaves."""
    keras.utils.set_random_seed(0)
    gamma = keras.initializers.Constant(np.exp2(np.linspace(-5, 1, 8)))
    x = inputs = keras.Input((12, 12, 3))
    x = L.ReLU(6.0)(L.BatchNormalization(gamma_initializer=gamma)(L.Conv2D(8, 3, strides=2)(x)))
    x = L.DepthwiseConv2D(3, padding="same")(x)
    x = L.ReLU(6.0)(L.BatchNormalization(gamma_initializer=gamma)(x))
    x = L.GlobalAveragePooling2D()(L.Conv2D(8, 1, activation="relu")(x))
    return keras.Model(inputs, L.Dense(3, "softmax")(x))


@pytest.fixture
def labelled(rng):
    y = rng.integers(0, 3, 240)
    x = rng.normal(size=(240, 12, 12, 3)) + 0.4 * (y[:, None, None, None] - 1)
    return x.astype("float32"), y


def test_the_table_begins_with_float_and_the_best_rule_wins(labelled):
    x, _ = labelled
    model = depthwise_network()
    before = model.get_weights()
    plain = keras_alt.quantize_model(model, calibration_data=x)

    outcome = recipes.static(model, x, verbose=False)

    (name, score), *rules = outcome.steps
    assert (name, score) == ("float", math.inf)
    agreement = recipes.agreement(model, [x])
    assert agreement(outcome.model) == max(score for _, score in rules)
    assert agreement(outcome.model) > agreement(plain)
    assert keras_alt.quantizers(outcome.model)
    assert "float, statistics of the data" not in dict(rules)  # only labels can judge them
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
    assert str(outcome).count("\n") == len(outcome.steps)


@pytest.mark.full
def test_a_score_of_the_user_judges_statistics_and_takes_none_that_are_no_better(labelled):
    x, _ = labelled
    model, seen = depthwise_network(), []

    def score(candidate):
        seen.append(candidate)
        return float(len(seen) == 1)  # the float model as it came is best

    outcome = recipes.static(model, x, score=score, verbose=False)
    names = [name for name, _ in outcome.steps]
    assert names[:2] == ["float", "float, statistics of the data"]
    as_it_came, _, *quantized = (candidate.predict(x, verbose=0) for candidate in seen)
    assert all(np.abs(q - as_it_came).max() < 0.1 for q in quantized)


def test_training_goes_on_from_the_static_model_and_then_at_fewer_bits(labelled):
    x, y = labelled
    model = depthwise_network()
    outcome = recipes.retrain(
        model,
        (x[:160], y[:160]),
        "sparse_categorical_crossentropy",
        epochs=2,
        validation=(x[160:], y[160:]),
        bits=(4,),
        rate=1e-2,
        verbose=False,
    )
    *static, (name, trained), (narrower, _) = outcome.steps
    assert name == "trained" and narrower == "trained, 4 bits"
    assert record_of(outcome.model).config.weights == 4
    assert trained >= max(score for step, score in static if "equalized" in step)
    assert keras_alt.verify(outcome.model, x[:16], verbose=False).mismatches == 0


@pytest.mark.full
def test_without_validation_the_last_epoch_is_kept(labelled):
    x, y = labelled
    loss = "sparse_categorical_crossentropy"
    inputs = keras.Input((12, 12, 3))
    features = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, strides=2, activation="relu")(inputs))
    model = keras.Model(inputs, L.Dense(3, "softmax")(features))
    outcome = recipes.retrain(model, (x, y), loss, epochs=1, verbose=False)
    assert [name for name, _ in outcome.steps][0] == "float"
    assert "trained" not in dict(outcome.steps)
    assert outcome.model.optimizer.iterations == 8
