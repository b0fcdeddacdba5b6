"""Averages are the float32 numbers next to the true ones, also where XLA compiles them."""

import keras
import numpy as np
import pytest
from conftest import gradients
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt.handlers import kind_of
from keras_alt.keras_internals import operation_behind
from keras_alt.layers.average import EXACT, ExactAverage, ExactMean
from keras_alt.numerics.backend import numerics
from keras_alt.padding import paddings

pytestmark = pytest.mark.backend

HALVES = np.arange(-255, 256, dtype="float32") / 2
XLA = [True, False] if keras.backend.backend() == "tensorflow" else [False]  # JAX always uses it


def computed(layer, x, xla):
    """Return what Keras' own `predict` gives."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=xla or keras.backend.backend() == "jax")
    return model.predict(x, batch_size=len(x), verbose=0)


@pytest.mark.parametrize("xla", XLA)
def test_means_of_equal_numbers_are_that_number(xla):
    for cells in (3, 7, 14, 15, 28, 30, 49, 56, 60, 61, 63):
        layer = EXACT[L.GlobalAveragePooling1D]()
        x = np.broadcast_to(HALVES[None, None], (1, cells, HALVES.size))
        np.testing.assert_array_equal(computed(layer, x, xla)[0], HALVES, str(cells))


@pytest.mark.parametrize("xla", XLA)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("window", [(3, 5), (2, 7), (5, 6), (7, 7), (1, 13)])
def test_windows_of_equal_numbers_average_to_that_number(window, padding, xla):
    layer = EXACT[L.AveragePooling2D](window, strides=(1, 2), padding=padding)
    x = np.broadcast_to(HALVES, (1, 9, 17, HALVES.size))
    y = computed(layer, x, xla)
    np.testing.assert_array_equal(y, np.broadcast_to(HALVES, y.shape))


POOLS = {
    "1d": ((11, 3), L.AveragePooling1D, {"pool_size": 3, "strides": 2}),
    "1d_first": ((3, 11), L.AveragePooling1D, {"pool_size": 4, "data_format": "channels_first"}),
    "2d": ((7, 9, 2), L.AveragePooling2D, {"pool_size": (3, 2), "strides": (2, 1)}),
    "3d": ((5, 4, 6, 2), L.AveragePooling3D, {"pool_size": (2, 1, 3)}),
    "global_1d": ((11, 3), L.GlobalAveragePooling1D, {"keepdims": True}),
    "global_2d": ((5, 7, 3), L.GlobalAveragePooling2D, {}),
    "global_3d": ((3, 5, 2, 3), L.GlobalAveragePooling3D, {"keepdims": True}),
}


def averaged(layer, x):
    """Return the averages in float64, rounded to float32. What is padded is NaN, and left out."""
    first = 1 if layer.data_format == "channels_last" else 2
    axes = tuple(range(first, first + x.ndim - 2))
    if not hasattr(layer, "pool_size"):
        return np.mean(x, axes, "float64", keepdims=layer.keepdims).astype("float32")
    space, ones = [x.shape[axis] for axis in axes], (1,) * len(axes)
    around = dict(
        zip(axes, paddings(layer.padding, space, layer.pool_size, layer.strides, ones), strict=True)
    )
    x = np.pad(x, [around.get(a, (0, 0)) for a in range(x.ndim)], constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(x, layer.pool_size, axes)
    steps = dict(zip(axes, layer.strides, strict=True))
    windows = windows[tuple(slice(None, None, steps.get(a, 1)) for a in range(x.ndim))]
    cells = tuple(range(x.ndim, windows.ndim))
    return np.nanmean(windows, cells, "float64").astype("float32")


@pytest.mark.parametrize("xla", XLA)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("case", POOLS)
def test_averages_of_codes_are_correctly_rounded(case, padding, xla, rng):
    shape, kind, options = POOLS[case]
    if "channels_first" in options.values() and keras.backend.backend() == "tensorflow" and not xla:
        pytest.skip("TensorFlow's CPU kernels have channels last")
    layer = EXACT[kind](**(options | {"padding": padding} if "pool_size" in options else options))
    x = rng.integers(-128, 128, (2, *shape)).astype("float32")
    np.testing.assert_array_equal(computed(layer, x, xla), averaged(layer, x))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("case", POOLS)
def test_own_divisions_are_correctly_rounded_without_xla_too(case, padding, rng, monkeypatch):
    """As on a GPU, of which Keras' averages are not known to be exact."""
    shape, kind, options = POOLS[case]
    layer = EXACT[kind](**(options | {"padding": padding} if "pool_size" in options else options))
    monkeypatch.setattr(numerics, "averages_exactly", lambda x, pads=(): False)
    x = rng.integers(-128, 128, (2, *shape)).astype("float32")
    np.testing.assert_array_equal(computed(layer, x, xla=False), averaged(layer, x))


@pytest.mark.parametrize(("axis", "keepdims"), [(1, False), ([1, 2], True), (-2, False)])
def test_means_over_any_axes_are_correctly_rounded(axis, keepdims, rng):
    x = rng.integers(-128, 128, (2, 5, 7, 3)).astype("float32")
    mean = ops.mean(keras.Input(x.shape[1:]), axis=axis, keepdims=keepdims)
    layer = ExactMean(operation_behind(mean))
    axes = tuple(np.atleast_1d(axis))
    expected = np.mean(x, axes, "float64", keepdims=keepdims).astype("float32")
    np.testing.assert_array_equal(computed(layer, x, xla=False), expected)


@pytest.mark.parametrize("case", POOLS)
def test_gradients_are_those_of_keras(case, rng):
    shape, kind, options = POOLS[case]
    if "channels_first" in options.values() and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow's CPU kernels have channels last")
    plain, exact = kind(**options), EXACT[kind](**options)
    x = rng.normal(size=(2, *shape)).astype("float32")
    weight = rng.normal(size=tuple(plain(x).shape)).astype("float32")
    expected, found = (
        gradients(lambda x, layer=layer: layer(x) * ops.convert_to_tensor(weight), [x])[0]
        for layer in (plain, exact)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def averaging():
    """Return a network of each kind of average behind which a quantizer stands."""
    inputs = keras.Input((14, 10, 3))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    pool = L.AveragePooling2D((2, 5), name="pool")(x)
    y = L.GlobalAveragePooling2D(name="space")(L.Conv2D(5, 1, name="wide")(pool))
    z = ops.mean(pool, axis=1)
    z = L.GlobalAveragePooling1D(name="line")(L.Conv1D(5, 1, name="thin")(z))
    return keras.Model(inputs, L.Dense(3, name="head")(L.Add(name="add")([y, z])))


@pytest.mark.parametrize("target", ["paper", "litert", "tflm"])
def test_a_quantized_model_has_them_and_gives_them_back(target, rng, tmp_path):
    model = averaging()
    quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
    x = rng.normal(size=(8, 14, 10, 3)).astype("float32")
    keras_alt.calibrate(quantized, x, verbose=False)
    exact = {layer.name for layer in quantized.layers if isinstance(layer, ExactAverage)}
    assert "line" in exact
    assert ("space" in exact) == (target != "paper")  # where pools of images are convolutions

    quantized.save(tmp_path / "q.keras")
    loaded = keras.models.load_model(tmp_path / "q.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), quantized.predict(x, verbose=0))

    again = keras_alt.retarget(quantized, target)
    assert again.predict(x, verbose=0).tolist() == quantized.predict(x, verbose=0).tolist()
    names = [layer.name for layer in quantized.layers]
    assert [layer.name for layer in again.layers] == names


def test_a_masked_average_stays_that_of_keras(rng):
    """It divides by the number of steps that count."""
    inputs = keras.Input((6, 3))
    x = L.Dense(4, name="dense")(L.Masking(name="masking")(inputs))
    model = keras.Model(inputs, L.Dense(2, name="head")(L.GlobalAveragePooling1D(name="mean")(x)))
    quantized = keras_alt.quantize_model(model)
    x = rng.normal(size=(8, 6, 3)).astype("float32")
    x[:, 4:] = 0
    keras_alt.calibrate(quantized, x, verbose=False)
    assert not isinstance(quantized.get_layer("mean"), ExactAverage)
    expected = model.predict(x, verbose=0)
    assert np.abs(quantized.predict(x, verbose=0) - expected).max() < 0.05 * np.abs(expected).max()

    exact = EXACT[L.GlobalAveragePooling1D]()
    mask = np.array([[True] * 4 + [False] * 2] * 8)
    given = ops.convert_to_tensor(x), ops.convert_to_tensor(mask)
    found, expected = (
        ops.convert_to_numpy(layer(given[0], mask=given[1]))
        for layer in (exact, L.GlobalAveragePooling1D())
    )
    np.testing.assert_array_equal(found, expected)


class Doubled(EXACT[L.GlobalAveragePooling2D]):
    def call(self, inputs):
        return 2.0 * super().call(inputs)


def test_a_subclass_may_compute_something_else():
    assert kind_of(EXACT[L.GlobalAveragePooling2D]()) is L.GlobalAveragePooling2D
    assert kind_of(Doubled()) is Doubled


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("strides", [1, 2])
def test_open_sizes_are_padded_as_keras_does(rng, strides):
    layer = EXACT[L.AveragePooling2D](3, strides, padding="same")
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=True)
    for size in (6, 7, 9):
        x = rng.integers(-8, 8, (2, size, size, 2)).astype("float32")
        expected = averaged(layer, x)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
