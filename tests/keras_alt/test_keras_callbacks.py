"""Keras' own callbacks with quantized models: what they keep and give back is exact."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras.ops import convert_to_numpy

import keras_alt
from keras_alt.callbacks import FreezeThresholds, ThresholdHistory
from keras_alt.quantizer import trained_quantizers

STEPS = 4  # of an epoch


@pytest.fixture
def data(rng):
    x = rng.normal(size=(4 * STEPS, 6)).astype("float32")
    return x, x @ rng.normal(size=(6, 2)).astype("float32")


def student(data, ema_momentum=None):
    """Return the same calibrated and compiled model each time."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), L.Dense(8, "relu", name="hidden"), L.Dense(2, name="head")]
    model = keras_alt.quantize_model(keras.Sequential(layers), calibration_data=data[0])
    return compiled(model, ema_momentum)


def compiled(model, ema_momentum=None):
    optimizer = keras_alt.optimizers.alt(1e-2, 3e-2, steps=3 * STEPS, ema_momentum=ema_momentum)
    # A few steps take less time than a trace.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(optimizer, "mse", run_eagerly=eager, jit_compile=False)
    return model


def fit(model, data, callbacks=(), **options):
    options = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0, **options}
    return model.fit(*data, callbacks=list(callbacks), **options)


def state(model):
    """Return all variables of the model and its optimizer."""
    return [convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]


def assert_same_state(first, second):
    for a, b in zip(state(first), state(second), strict=True):
        np.testing.assert_array_equal(a, b)


class Killed(keras.callbacks.Callback):
    """Ends a run in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.last = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.last and batch == 2:
            raise KeyboardInterrupt


@pytest.mark.backend
@pytest.mark.parametrize(
    ("killed", "backup_first"),
    [(1, False), (2, True)],  # before the first threshold is frozen, and after it
)
def test_a_run_that_is_resumed_ends_as_one_that_was_not_interrupted(
    data, tmp_path, killed, backup_first
):
    def callbacks(*more):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        ours = [FreezeThresholds(0.5), *more]
        return [backup, *ours] if backup_first else [*ours, backup]

    whole = student(data)
    fit(whole, data, [FreezeThresholds(0.5)])
    with pytest.raises(KeyboardInterrupt):
        fit(student(data), data, [*callbacks(), Killed(killed)])
    resumed, history = student(data), ThresholdHistory()
    fit(resumed, data, callbacks(history))

    assert_same_state(resumed, whole)
    assert all(convert_to_numpy(q.frozen) for q in trained_quantizers(resumed))
    assert (history.steps[0], history.steps[-1]) == (killed * STEPS, 3 * STEPS)


@pytest.mark.backend
@pytest.mark.parametrize("kind", ["keras", "weights.h5"])
def test_a_checkpoint_trains_on_as_the_model_did(data, tmp_path, kind):
    path = str(tmp_path / ("{epoch}." + kind))
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=kind == "weights.h5")
    model = student(data)
    fit(model, data, [checkpoint], epochs=2)
    if kind == "keras":
        again = keras.models.load_model(path.format(epoch=1))
        again.run_eagerly = model.run_eagerly
    else:
        again = student(data)
        again.optimizer.build(again.trainable_variables)
        again.load_weights(path.format(epoch=1))
    fit(again, data, epochs=2, initial_epoch=1)
    assert_same_state(again, model)
    assert keras_alt.verify(again, data[0], verbose=False).mismatches == 0


class Values(keras.callbacks.Callback):
    """Records kernels and thresholds after each step."""

    def __init__(self):
        super().__init__()
        self.values = {}

    def on_train_batch_end(self, batch, logs=None):
        for variable in self.model.trainable_variables:
            self.values.setdefault(variable.path, []).append(convert_to_numpy(variable).copy())


@pytest.mark.backend
def test_swapped_averages_are_those_of_weights_and_thresholds(data):
    momentum, recorder = 0.9, Values()
    model = student(data, momentum)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, data, [recorder, swap], epochs=1)
    thresholds = {q.log2_threshold.path for q in trained_quantizers(model)}
    assert thresholds < set(recorder.values)
    for variable in model.trainable_variables:
        average, *values = recorder.values[variable.path]
        for value in values:
            average = momentum * average + (1 - momentum) * value
        np.testing.assert_allclose(convert_to_numpy(variable), average, rtol=1e-4, atol=1e-5)
        assert (convert_to_numpy(variable) != recorder.values[variable.path][-1]).any()
    proof = keras_alt.verify(model, data[0], verbose=False)
    assert proof.total and not proof.mismatches


@pytest.mark.backend
def test_averages_leave_frozen_thresholds_where_they_are(data):
    recorder, model = Values(), student(data, 0.9)
    first, *_ = trained_quantizers(model)
    first.frozen.assign(True)
    before = first.threshold
    callbacks = [recorder, FreezeThresholds(0.5), keras.callbacks.SwapEMAWeights()]
    fit(model, data, callbacks, epochs=2, validation_data=data)
    for quantizer in trained_quantizers(model):
        last = recorder.values[quantizer.log2_threshold.path][-1]
        np.testing.assert_array_equal(convert_to_numpy(quantizer.log2_threshold), last)
    assert first.threshold == before
    assert keras_alt.verify(model, data[0], verbose=False).mismatches == 0


def test_averages_are_kept_with_the_optimizer(data, tmp_path):
    model = student(data, 0.9)
    fit(model, data, epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.run_eagerly = model.run_eagerly
    for q in (model, again):
        fit(q, data, epochs=1)
    assert_same_state(again, model)
