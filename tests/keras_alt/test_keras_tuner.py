"""Keras Tuner searches the bits of a quantized model."""

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt.record import record_of

keras_tuner = pytest.importorskip("keras_tuner")


@pytest.mark.full
def test_a_search_over_bits_gives_back_the_best_model(rng, tmp_path):
    x = rng.normal(size=(32, 6)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(6, 2))).astype("float32")
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), L.Dense(16, "relu", name="hidden"), L.Dense(2, name="head")]
    model = keras.Sequential(layers)

    def build(hp):
        config = keras_alt.QuantizeConfig(weights=hp.Choice("bits", [2, 8]))
        q = keras_alt.quantize_model(model, config, calibration_data=x)
        eager = keras.backend.backend() == "tensorflow"
        q.compile(keras_alt.optimizers.alt(1e-2, steps=4), "mse", run_eagerly=eager)
        return q

    tuner = keras_tuner.GridSearch(
        build, "val_loss", max_trials=2, directory=tmp_path, overwrite=True
    )
    tuner.search(x, y, validation_data=(x, y), epochs=1, batch_size=8, verbose=0)

    trials = tuner.oracle.get_best_trials(2)
    assert sorted(trial.hyperparameters["bits"] for trial in trials) == [2, 8]
    (best,) = tuner.get_best_models(1)
    assert record_of(best).config.weights == trials[0].hyperparameters["bits"]
    best.compile(loss="mse")
    assert best.evaluate(x, y, verbose=0) == pytest.approx(trials[0].score, rel=1e-4)
    assert keras_alt.verify(best, x, verbose=False).mismatches == 0
