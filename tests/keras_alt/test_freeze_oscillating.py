"""A weight that oscillates is frozen at the code of its running mean; others train on."""

import keras
import numpy as np
import pytest
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
    model.compile(keras_alt.optimizers.alt(1e-2), "mse", jit_compile=False)
    x = rng.normal(size=(32, 3)).astype("float32")
    model.fit(x, x.sum(1), verbose=0, batch_size=4, callbacks=[freeze])
    after = weights(model)
    assert after[0] == before[0]
    assert (after[1:] != before[1:]).all()


@pytest.mark.parametrize("options", [{"frequency": 0.0}, {"momentum": 1.0}, {"every": 0}])
def test_arguments_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        FreezeOscillating(**options)


def test_a_float_model_has_no_codes():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="quantized kernels"):
        fit(model, [FreezeOscillating()], 1)
