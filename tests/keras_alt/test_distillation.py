"""Keras' own distiller trains a quantized student, its thresholds included."""

import keras
import numpy as np
import pytest
from conftest import EAGER, randomize
from keras import layers as L
from keras.ops import convert_to_numpy

import keras_alt
from keras_alt.callbacks import FreezeOscillating, FreezeThresholds
from keras_alt.quantizer import trained_quantizers

distillation = pytest.importorskip("keras.distillation")


@pytest.fixture
def x(rng):
    return rng.normal(size=(32, 8, 8, 3)).astype("float32")


@pytest.fixture
def teacher(rng):
    x = inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, activation="relu", name="first")(x)
    x = L.Conv2D(4, 3, name="second")(x)
    x = L.GlobalAveragePooling2D()(L.ReLU()(x))
    return randomize(keras.Model(inputs, L.Dense(5)(x)), rng)


def distilled(teacher, student, x, loss, callbacks=()):
    distiller = distillation.Distiller(teacher, student, loss, student_loss_weight=0.5)
    distiller.compile(
        keras_alt.optimizers.alt(1e-3, 1e-2, steps=8),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=EAGER,
    )
    y = np.arange(len(x)) % 5
    distiller.fit(x, y, batch_size=4, verbose=0, callbacks=list(callbacks))
    return distiller


LOSSES = {
    "logits": lambda: distillation.LogitsDistillation(temperature=2.0),
    "features": lambda: distillation.FeatureDistillation(
        loss="mse", teacher_layer_name="second", student_layer_name="second"
    ),
}


@pytest.mark.backend
@pytest.mark.parametrize("kind", LOSSES)
def test_a_quantized_student_learns_and_stays_exact(teacher, x, kind):
    config = keras_alt.QuantizeConfig(weights=4, target="litert")
    student = keras_alt.quantize_model(teacher, config, calibration_data=x)
    before = {name: q.threshold for name, q in keras_alt.quantizers(student).items()}
    floats = teacher.get_weights()
    freeze = [FreezeThresholds(0.5), FreezeOscillating()]
    trained = distilled(teacher, student, x, LOSSES[kind](), freeze).student
    assert trained is student
    after = {name: q.threshold for name, q in keras_alt.quantizers(student).items()}
    assert sum(before[name] != after[name] for name in before) > len(before) // 2
    for old, new in zip(floats, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not [q.name for q in trained_quantizers(student) if not convert_to_numpy(q.frozen)]
    assert keras_alt.verify(student, x[:4], verbose=False).mismatches == 0


def test_an_uncalibrated_student_is_refused(teacher, x):
    student = keras_alt.quantize_model(teacher)
    with pytest.raises(ValueError, match="calibrat"):
        distilled(teacher, student, x, LOSSES["logits"]())
