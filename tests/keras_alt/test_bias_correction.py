"""`calibrate(bias_correction=True)` restores the mean of every channel."""

import keras
import numpy as np
import pytest
from conftest import outputs, randomize
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.calibration import bias_correction
from keras_alt.graph import Graph
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.quantizer import quantizers, quantizers_of
from keras_alt.targets import TARGETS
from keras_alt.transforms import folded


def network(depth=2, name="net"):
    x = inputs = keras.Input((6, 6, 3))
    for i in range(depth):
        x = L.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depthwise_{i}")(x)
        x = L.ReLU()(L.BatchNormalization()(x))
        x = L.Conv2D(4, 1, activation="relu6", name=f"conv_{i}")(x)
    return keras.Model(inputs, L.Dense(2, name="head")(L.Flatten()(x)), name=name)


def quantized(model, target="litert", **options):
    return keras_alt.quantize_model(model, QuantizeConfig(target=target, **options))


def calibrate(model, x, **options):
    return keras_alt.calibrate(model, x, verbose=False, **options)


def kernels(model):
    return [layer for layer in model.layers if isinstance(layer, QuantizedKernel)]


def means(model, x):
    """Return the mean of each channel of the output of each kernel, before its activation."""
    calls = {c.layer.name: c for c in Graph(model).calls if hasattr(c.layer, "kernel")}
    probe = keras.Model(model.inputs, [c.outputs[0] for c in calls.values()])
    values = zip(calls, outputs(probe, x), strict=True)
    return {name: v.reshape(-1, v.shape[-1]).mean(axis=0, dtype=np.float64) for name, v in values}


def bias_step(model, layer):
    """Return an upper bound of the step by which a bias is rounded."""
    if layer.bias_quantizer is not None:
        return 2.0**layer.bias_quantizer.exponent
    inputs = [q for q in model.layers if isinstance(q, keras_alt.Quantizer)]
    kernel = next(q for q in quantizers_of(layer) if q.role.endswith("kernel"))
    return 2.0 ** (max(q.exponent for q in inputs) + kernel.exponent)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_means_are_restored_within_rounding(target, rng):
    model = randomize(network(), rng)
    x = rng.normal(size=(32, 6, 6, 3)).astype("float32")
    plain, corrected = quantized(model, target, weights=4), quantized(model, target, weights=4)
    calibrate(plain, x)
    calibrate(corrected, x, bias_correction=True)

    expected, before, after = (means(m, x) for m in (folded(model), plain, corrected))
    for name, mean in expected.items():
        step = bias_step(corrected, corrected.get_layer(name))
        assert np.abs(after[name] - mean).max() <= step + 1e-4 * np.abs(mean).max() + 1e-6
    assert max(np.abs(before[n] - m).max() for n, m in expected.items()) > 1e-3


def residual():
    """Return a network whose additions read tensors that are computed at different times."""
    x = inputs = keras.Input((6, 6, 3))
    x = L.ReLU()(L.Conv2D(4, 1, name="stem")(x))
    for i in range(3):
        y = L.ReLU()(L.Conv2D(4, 3, padding="same", name=f"first_{i}")(x))
        x = L.ReLU()(L.Add(name=f"add_{i}")([x, L.Conv2D(4, 1, name=f"second_{i}")(y)]))
    return keras.Model(inputs, L.Dense(2, name="head")(L.Flatten()(x)))


def test_a_residual_stream_keeps_its_mean(rng):
    """The mean of each sum is restored, with its first input as it is once the walk is over.

    Both inputs share a threshold. It is that of the second, which is larger and computed later.
    """
    model = randomize(residual(), rng)
    for i in range(3):
        kernel = model.get_layer(f"second_{i}").kernel
        kernel.assign(8 * kernel)
    x = rng.normal(size=(32, 6, 6, 3)).astype("float32")
    q = quantized(model)
    calibrate(q, x, bias_correction=True)
    expected, after = means(model, x), means(q, x)
    for i in range(3):
        mean, restored = (sum(means_of_inputs(m, f"add_{i}", x)) for m in (model, q))
        step = bias_step(q, q.get_layer(f"second_{i}"))
        assert np.abs(restored - mean).max() <= step + 1e-4 * np.abs(mean).max() + 1e-6
    for name in ("stem", "first_0", "first_1", "first_2", "head"):
        error = np.abs(after[name] - expected[name]).max()
        assert error <= bias_step(q, q.get_layer(name)) + 1e-4 * np.abs(expected[name]).max() + 1e-6


def means_of_inputs(model, addition, x):
    """Return the means of the channels of both inputs of an addition, before their quantizers."""
    graph = Graph(model)
    (call,) = [c for c in graph.calls if c.layer.name == addition]
    inputs = []
    for tensor in call.inputs:
        producer = graph.producer[tensor]
        inputs.append(
            producer.inputs[0] if isinstance(producer.layer, keras_alt.Quantizer) else tensor
        )
    values = outputs(keras.Model(model.inputs, inputs), x)
    return [v.reshape(-1, v.shape[-1]).mean(axis=0, dtype=np.float64) for v in values]


def test_thresholds_of_the_first_kernels_are_those_without(rng):
    """With biases on the product grid, what is in front of a bias does not depend on it."""
    model, x = randomize(network(1), rng), rng.normal(size=(32, 6, 6, 3))
    plain, corrected = quantized(model), quantized(model)
    first, second = calibrate(plain, x), calibrate(corrected, x, bias_correction=True)
    of_kernels = [name for name in first if name.endswith("kernel")]
    assert len(of_kernels) == 3
    assert [first[name] for name in of_kernels] == [second[name] for name in of_kernels]
    assert not any(name.endswith("bias") for name in first)


def test_an_error_restores_everything(rng, monkeypatch):
    model, x = quantized(randomize(network(), rng)), rng.normal(size=(8, 6, 6, 3))
    calibrate(model, x)
    before, seen = model.get_weights(), []

    def fails(histogram, format):
        seen.append(1)
        if len(seen) > 4:
            raise ValueError("no threshold")
        return 1.0

    with pytest.raises(ValueError, match="no threshold"):
        calibrate(model, x, activations=fails, bias_correction=True)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_written_by_hand_have_no_means(rng):
    inputs = keras.Input((3,))
    x = keras_alt.Quantizer(keras_alt.FixedPoint(8))(inputs)
    model = keras.Model(inputs, keras_alt.layers.QuantDense(2)(x), name="mine")
    with pytest.raises(ValueError, match="keras_alt.quantize_model.*'mine', written by hand"):
        calibrate(model, rng.normal(size=(8, 3)), bias_correction=True)


def test_frozen_shared_and_norm_training_layers_keep_their_biases(rng):
    inputs = keras.Input((6, 6, 3))
    shared = L.Conv2D(3, 3, padding="same", name="shared")
    x = shared(L.ReLU()(shared(inputs)))
    x = L.Conv2D(4, 1, name="frozen", trainable=False)(L.ReLU()(x))
    x = L.BatchNormalization()(L.Conv2D(4, 1, name="normed")(L.ReLU()(x)))
    x = L.Conv2D(4, 1, use_bias=False, name="without")(L.ReLU()(x))
    model = keras.Model(inputs, L.Dense(2, name="head")(x))
    q = quantized(randomize(model, rng), weights=4, batch_norm="train")
    before = {layer.name: np.array(layer.bias) for layer in kernels(q) if layer.use_bias}
    calibrate(q, rng.normal(size=(16, 6, 6, 3)), bias_correction=True)
    moved = [n for n, bias in before.items() if not np.array_equal(bias, q.get_layer(n).bias)]
    assert moved == ["head"]


def counted(depth, rng, monkeypatch, **options):
    """Return how many times calibration calls a layer of a network of some depth."""
    from keras_alt.calibration import values, walk

    calls, apply = [], walk.apply

    def counting(*arguments):
        calls.append(1)
        return apply(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(walk, "apply", counting)
        patch.setattr(values, "apply", counting)
        patch.setattr(bias_correction, "apply", counting)
        calibrate(
            quantized(randomize(network(depth), rng)), rng.normal(size=(8, 6, 6, 3)), **options
        )
    return len(calls)


def test_the_float_model_is_walked_once(rng, monkeypatch):
    correction = counted(2, rng, monkeypatch, bias_correction=True)
    both = counted(2, rng, monkeypatch, bias_correction=True, adaptive_rounding=True)
    assert both == correction


def test_the_work_is_linear_in_depth(rng, monkeypatch):
    one, two, three = (counted(d, rng, monkeypatch, bias_correction=True) for d in (1, 2, 3))
    assert three - two == two - one
    assert three <= 3 * counted(3, rng, monkeypatch)


def test_thresholds_are_set_and_names_match(rng):
    q = quantized(randomize(network(), rng))
    x = rng.normal(size=(8, 6, 6, 3))
    found = calibrate(q, x, bias_correction=True)
    assert set(found) == set(quantizers(q))
    assert {layer.name for layer in bias_correction.corrected_layers(Graph(q))} == {
        layer.name for layer in kernels(q)
    }
