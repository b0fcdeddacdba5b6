"""Work grows with the depth of a network and no faster, by counts and not by times."""

import cProfile

import keras
import numpy as np
import pytest
from growth import nodes
from keras import layers as L

import keras_alt
from keras_alt.calibration import maximum

DEPTHS = 1, 2, 4, 8  # the first fills caches
CONFIG = keras_alt.QuantizeConfig(target="litert")


def network(depth):
    """Return a network of `depth` dense layers with batch norms, and shortcuts around them."""
    x = inputs = keras.Input((4,))
    for _ in range(depth):
        y = L.ReLU()(L.BatchNormalization()(L.Dense(4, use_bias=False)(x)))
        x = L.Add()([x, y])
    return keras.Model(inputs, L.Dense(2)(x))


def calls_of(function, *args, **kwargs):
    """Return how many functions of Python and C a call takes, and what it returns."""
    profile = cProfile.Profile()
    result = profile.runcall(function, *args, **kwargs)
    return sum(entry.callcount for entry in profile.getstats()), result


def assert_linear(counts, tolerance=0.02):
    """Twice the added depth adds twice as much."""
    first, second = np.diff(counts[1:])
    assert second <= 2 * first * (1 + tolerance), counts


@pytest.fixture(scope="module")
def grown():
    """Return the quantized networks and the calls that each took."""
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    models, counts = [], {"quantize_model": [], "calibrate": [], "verify": []}
    for depth in DEPTHS:
        count, model = calls_of(keras_alt.quantize_model, network(depth), CONFIG)
        counts["quantize_model"].append(count)
        options = {"activations": maximum, "verbose": False}
        counts["calibrate"].append(calls_of(keras_alt.calibrate, model, x, **options)[0])
        options = {"engine": "integer", "verbose": False}
        counts["verify"].append(calls_of(keras_alt.verify, model, x, **options)[0])
        models.append(model)
    return models, counts


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("name", ["quantize_model", "calibrate", "verify"])
def test_calls_grow_with_depth(grown, name):
    assert_linear(grown[1][name])


@pytest.mark.tensorflow_only
def test_variables_and_layers_grow_with_depth(grown):
    for counted in (lambda m: len(m.variables), lambda m: len(m.layers)):
        assert_linear([counted(model) for model in grown[0]], tolerance=0)


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("write", "name"),
    [(keras_alt.export.to_litert, "model.tflite"), (keras_alt.export.to_c, "c")],
)
def test_files_and_the_calls_that_write_them_grow_with_depth(grown, tmp_path, write, name):
    calls, sizes = [], []
    for depth, model in zip(DEPTHS, grown[0], strict=True):
        folder = tmp_path / str(depth)
        folder.mkdir()
        calls.append(calls_of(write, model, folder / name)[0])
        sizes.append(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))
    assert_linear(sizes, tolerance=0.1)  # a later layer's name has more digits
    assert_linear(calls)


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_the_graph_of_a_step_grows_with_depth(grown):
    x, y = np.zeros((8, 4), "float32"), np.zeros((8, 2), "float32")
    counts = []
    for model in grown[0]:
        model.compile(keras_alt.optimizers.alt(1e-3, steps=10), "mse")
        model.optimizer.build(model.trainable_variables)
        counts.append(nodes(model, x, y))
    assert_linear(counts)
