"""A weight that oscillates is frozen at the code of its running mean; others train on."""

import keras
import numpy as np
import pytest
from conftest import EAGER
from keras import ops

import keras_alt
from keras_alt.callbacks import FreezeOscillating

STEP = 2.0**-3  # of four bits at a threshold of 1
HIGH, LOW = 2, 1  # the codes between which the first weight goes


@pytest.fixture
def model():
    inputs = keras.Input((3,))
    layer = keras_alt.layers.QuantDense(
        1, kernel_bits=4, bias_bits=None, accumulator_bits=None, activation_bits=None, name="dense"
    )
    model = keras.Model(inputs, layer(inputs))
    layer.kernel_quantizer.set_threshold(1.0)
    layer.kernel_quantizer.frozen.assign(True)
    model.compile("sgd", "mse", jit_compile=False)
    return model


class Moved(keras.callbacks.Callback):
    """Puts the weights where a training would: the first to and fro, the second up, one nowhere."""

    def __init__(self, share=0.5, growth=0.002):
        super().__init__()
        self.share, self.growth, self.step = share, growth, 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        kernel = self.model.get_layer("dense").kernel
        high = self.step * self.share % 1.0 < self.share
        value = STEP * (HIGH if high else LOW)
        kernel.assign(np.float32([[value], [self.growth * self.step], [0.3 * STEP]]))


def fit(model, callbacks, steps=100, **options):
    x = np.zeros((2 * steps, 3), "float32")
    model.fit(x, x[:, :1], batch_size=2, verbose=0, shuffle=False, callbacks=callbacks, **options)


def weights(model):
    return ops.convert_to_numpy(model.get_layer("dense").kernel).ravel()


@pytest.mark.backend
@pytest.mark.parametrize("every", [1, 3])
def test_only_what_oscillates_is_frozen(model, every):
    freeze = FreezeOscillating(frequency=0.1, momentum=0.02, every=every)
    fit(model, [Moved(), freeze])
    assert freeze.frozen["dense/kernel"].ravel().tolist() == [True, False, False]
    first, second, third = weights(model)
    assert first in (STEP * LOW, STEP * HIGH)
    assert second == pytest.approx(0.2) and third == pytest.approx(0.3 * STEP)


@pytest.mark.parametrize("share, code", [(0.8, HIGH), (0.2, LOW)])
def test_it_is_frozen_at_the_code_of_its_mean(model, share, code):
    fit(model, [Moved(share), FreezeOscillating(frequency=0.15, momentum=0.02, every=1)], 150)
    assert weights(model)[0] == STEP * code


def test_a_code_that_moves_one_way_does_not_oscillate(model):
    freeze = FreezeOscillating(frequency=0.001, momentum=0.02, every=1)
    fit(model, [Moved(1.0, growth=0.01), freeze])
    assert not freeze.frozen["dense/kernel"].any()


def test_another_scale_begins_anew(model):
    class Wider(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            threshold = 2.0 if batch % 2 else 1.0
            self.model.get_layer("dense").kernel_quantizer.set_threshold(threshold)

    freeze = FreezeOscillating(frequency=0.001, momentum=0.02, every=1)
    fit(model, [Moved(), Wider(), freeze], 20)
    assert not freeze.frozen["dense/kernel"].any()


@pytest.mark.backend
def test_any_optimizer_leaves_frozen_weights_where_they_are(model, rng):
    freeze = FreezeOscillating(frequency=0.1, momentum=0.02, every=1)
    fit(model, [Moved(), freeze])
    before = weights(model)
    model.compile(keras_alt.optimizers.alt(1e-2), "mse", run_eagerly=EAGER)
    x = rng.normal(size=(32, 3)).astype("float32")
    model.fit(x, x.sum(1), verbose=0, batch_size=4, callbacks=[freeze])
    after = weights(model)
    assert after[0] == before[0]
    assert (after[1:] != before[1:]).all()


def codes(model):
    quantizer, kernel = model.get_layer("dense").constants()[0]
    return np.rint(ops.convert_to_numpy(kernel).ravel() * 2.0**-quantizer.exponent).tolist()


def train(model, callbacks, rng, **options):
    """Train all weights that are not frozen."""
    model.compile(keras_alt.optimizers.alt(1e-2), "mse", run_eagerly=EAGER)
    x = rng.normal(size=(32, 3)).astype("float32")
    model.fit(x, x.sum(1), verbose=0, batch_size=4, callbacks=callbacks, **options)


@pytest.mark.backend
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_frozen_weights_stay_frozen_behind_a_file(model, rng, tmp_path, suffix):
    fit(model, [Moved(), FreezeOscillating(frequency=0.1, momentum=0.02, every=1)])
    before, path = weights(model), str(tmp_path / f"model{suffix}")
    if suffix == ".keras":
        model.save(path)
        loaded = keras.models.load_model(path)
    else:
        model.save_weights(path)
        loaded = keras.models.clone_model(model)
        loaded.load_weights(path)
    assert weights(loaded).tolist() == before.tolist() and codes(loaded) == codes(model)
    freeze = FreezeOscillating()
    train(loaded, [freeze], rng)
    assert freeze.frozen["dense/kernel"].ravel().tolist() == [True, False, False]
    assert weights(loaded)[0] == before[0] and codes(loaded)[0] == codes(model)[0]
    assert (weights(loaded)[1:] != before[1:]).all()


class Killed(keras.callbacks.Callback):
    """Ends a run in the middle of its second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1 and batch == 3:
            raise KeyboardInterrupt

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


@pytest.mark.backend
@pytest.mark.parametrize("frozen_first", [True, False])
def test_frozen_weights_stay_frozen_in_a_run_that_is_resumed(model, rng, tmp_path, frozen_first):
    fresh = keras.models.clone_model(model)
    fit(model, [Moved(), FreezeOscillating(frequency=0.1, momentum=0.02, every=1)])
    before = weights(model)

    def callbacks(freeze):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return [freeze, backup] if frozen_first else [backup, freeze]

    with pytest.raises(KeyboardInterrupt):
        train(model, [*callbacks(FreezeOscillating()), Killed()], rng, epochs=2)
    freeze = FreezeOscillating()
    train(fresh, callbacks(freeze), rng, epochs=2)
    assert freeze.frozen["dense/kernel"].ravel().tolist() == [True, False, False]
    assert weights(fresh)[0] == before[0] and codes(fresh)[0] == codes(model)[0]
    assert (weights(fresh)[1:] != before[1:]).all()


def test_a_file_without_frozen_weights_holds_none(model, rng, tmp_path):
    path = str(tmp_path / "all.weights.h5")
    model.save_weights(path)
    fit(model, [Moved(), FreezeOscillating(frequency=0.1, momentum=0.02, every=1)])
    model.load_weights(path)
    freeze = FreezeOscillating()
    train(model, [freeze], rng)
    assert not freeze.frozen["dense/kernel"].any()


def test_a_weight_that_trained_meanwhile_is_held_where_it_is(model, rng):
    fit(model, [Moved(), FreezeOscillating(frequency=0.1, momentum=0.02, every=1)])
    train(model, [], rng)
    before = weights(model)
    train(model, [FreezeOscillating()], rng)
    assert weights(model)[0] == before[0]


@pytest.mark.parametrize("options", [{"frequency": 0.0}, {"momentum": 1.0}, {"every": 0}])
def test_arguments_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        FreezeOscillating(**options)


def test_a_float_model_has_no_codes():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="quantized kernels"):
        fit(model, [FreezeOscillating()], 1)
