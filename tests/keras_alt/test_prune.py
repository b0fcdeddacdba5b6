"""Pruning in `fit`: as scheduled, never undone, in float and in quantized models."""

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_alt
from keras_alt.callbacks import Prune
from keras_alt.masks import kernel_masks


def every_step(sparsity):
    return lambda step: (True, sparsity)


def network():
    return keras.Sequential(
        [
            keras.Input((4, 4, 4)),
            L.SeparableConv2D(8, 2, name="conv"),
            L.DepthwiseConv2D(2, name="depthwise"),
            L.Flatten(),
            L.Dense(2, name="dense"),
        ]
    )


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 4, 4, 4)).astype("float32"), rng.normal(size=(16, 2))


def fit(model, prune, epochs=2, optimizer=None):
    eager = keras.backend.backend() != "jax"
    model.compile(optimizer or keras.optimizers.Adam(1e-2), "mse", run_eagerly=eager)
    model.fit(*data(), batch_size=4, epochs=epochs, callbacks=[prune], verbose=0)
    return model


def sparsities(model):
    """Return the share of zeros of each kernel, by `<layer>/<variable>`."""
    values = {
        "/".join(w.path.split("/")[-2:]): keras.ops.convert_to_numpy(w.value)
        for w in model.trainable_variables
        if w.path.endswith("kernel")
    }
    return {name: 1 - np.count_nonzero(value) / value.size for name, value in values.items()}


@pytest.mark.backend
def test_kernels_are_pruned_as_scheduled_and_depthwise_ones_are_not():
    steps = []

    def schedule(step):
        steps.append(step)
        return step in (0, 4), 0.5 if step >= 4 else 0.25

    found = sparsities(fit(network(), Prune(schedule)))
    assert steps == list(range(9))
    assert found == {
        "conv/depthwise_kernel": 0.0,
        "conv/pointwise_kernel": 0.5,
        "depthwise/kernel": 0.0,
        "dense/kernel": 0.5,
    }


def test_every_step_of_an_execution_is_scheduled():
    steps = []

    def schedule(step):
        steps.append(step)
        return step in (0, 2), 0.5 if step >= 2 else 0.25

    model = network()
    model.compile("adam", "mse", steps_per_execution=3)
    model.fit(*data(), batch_size=4, epochs=2, callbacks=[Prune(schedule)], verbose=0)
    assert steps == list(range(9))
    assert sparsities(model)["dense/kernel"] == 0.5


def test_what_was_pruned_stays_pruned():
    zeros = []

    class Record(Prune):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            kernel = self.model.get_layer("dense").kernel
            zeros.append(keras.ops.convert_to_numpy(kernel) == 0)

    fit(network(), Record(lambda step: (True, 0.1 * min(step, 6))))
    for earlier, later in zip(zeros, zeros[1:], strict=False):
        assert (later | ~earlier).all()
    assert not zeros[0].all()


def test_two_of_four_input_channels_are_pruned():
    model = fit(network(), Prune(every_step(0.0), sparsity_m_by_n=(2, 4)))
    kernel = keras.ops.convert_to_numpy(model.get_layer("dense").kernel)
    assert (np.count_nonzero(kernel.reshape(-1, 4, 2), axis=1) == 2).all()


def test_input_channels_are_the_last_axis_of_a_transposed_convolution():
    layers = [keras.Input((4, 4, 4)), L.Conv2DTranspose(3, 2, name="up"), L.Flatten(), L.Dense(2)]
    model = fit(keras.Sequential(layers), Prune(every_step(0.0), sparsity_m_by_n=(2, 4)))
    kernel = keras.ops.convert_to_numpy(model.get_layer("up").kernel)
    assert kernel.shape == (2, 2, 3, 4)
    assert (np.count_nonzero(kernel, axis=-1) == 2).all()


def test_a_kernel_that_starts_at_zero_is_not_held_there():
    zeros = L.Dense(2, kernel_initializer="zeros", name="zeros")
    model = keras.Sequential([keras.Input((4, 4, 4)), L.Flatten(), zeros])
    fit(model, Prune(lambda step: (step == 0, 0.0)), epochs=1)
    assert sparsities(model)["zeros/kernel"] == 0.0


def test_what_given_masks_hide_stays_hidden():
    mask = np.ones((32, 2), bool)
    mask[1:4] = False  # three of the first four input channels
    q = keras_alt.quantize_model(network(), masks={"dense/kernel": mask})
    keras_alt.calibrate(q, data()[0], verbose=False)
    prune = Prune(every_step(0.0), sparsity_m_by_n=(2, 4))
    fit(q, prune, epochs=1, optimizer=keras_alt.optimizers.alt(1e-2))
    assert not kernel_masks(q)["dense/kernel"][~mask].any()


@pytest.mark.backend
def test_a_quantized_model_is_pruned_while_its_thresholds_train():
    model = network()
    q = keras_alt.quantize_model(model, masks={"dense/kernel": np.ones((32, 2), bool)})
    keras_alt.calibrate(q, data()[0], verbose=False)
    fit(q, Prune(every_step(0.5)), optimizer=keras_alt.optimizers.alt(1e-2))
    found = sparsities(q)
    assert found["dense/kernel"] == found["conv/kernel"] == 0.5
    assert found["conv_depthwise/kernel"] == 0.0
    assert kernel_masks(q)["dense/kernel"].mean() == 0.5  # held from now on, also without `Prune`


def test_skipped_layers_are_not_pruned():
    found = sparsities(fit(network(), Prune(every_step(0.5), skip=("den*",)), epochs=1))
    assert found["dense/kernel"] == 0.0
    assert found["conv/pointwise_kernel"] == 0.5


def test_wrong_arguments_are_errors():
    with pytest.raises(TypeError, match="schedule=0.5"):
        Prune(0.5)
    with pytest.raises(ValueError, match=r"sparsity_m_by_n=\(4, 4\)"):
        Prune(every_step(0.5), sparsity_m_by_n=(4, 4))
    with pytest.raises(ValueError, match="dense or convolution"):
        fit(network(), Prune(every_step(0.5), skip=("*",)))
