"""Adaptive rounding moves no weight by a step, and outputs nearer to the float model."""

import keras
import models
import numpy as np
import pytest
from conftest import outputs, randomize
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import FixedPoint, QuantizeConfig
from keras_alt import layers as Q
from keras_alt.calibration.descent import rounded
from keras_alt.calibration.patches import grouped, sampled_inputs, sampled_outputs, ungrouped

LAYERS = {
    "dense": (lambda: Q.QuantDense(5), (3, 4)),
    "causal": (lambda: Q.QuantConv1D(4, 3, padding="causal", dilation_rate=2), (9, 3)),
    "strides": (lambda: Q.QuantConv2D(4, (3, 2), strides=2, padding="same"), (7, 6, 3)),
    "dilation": (lambda: Q.QuantConv2D(4, 3, dilation_rate=2, padding="same"), (7, 6, 3)),
    "groups": (lambda: Q.QuantConv1D(6, 3, groups=2), (7, 4)),
    "volume": (lambda: Q.QuantConv3D(3, 2, padding="same"), (3, 4, 5, 2)),
    "depthwise": (lambda: Q.QuantDepthwiseConv2D(3, depth_multiplier=2, strides=2), (7, 7, 3)),
    "depthwise line": (lambda: Q.QuantDepthwiseConv1D(3, padding="same"), (7, 3)),
    "transposed": (lambda: Q.QuantConv2DTranspose(4, 3, strides=2, padding="same"), (4, 5, 3)),
    "transposed line": (lambda: Q.QuantConv1DTranspose(4, 3, strides=2), (4, 3)),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("most", [11, 10**6])
def test_sampled_inputs_times_the_kernel_are_the_outputs(kind, most, rng):
    make, shape = LAYERS[kind]
    layer, x = make(), rng.normal(size=(2, *shape)).astype("float32")
    layer(x)
    kernel = ops.convert_to_numpy(layer.kernel)
    y = layer.linear(ops.convert_to_tensor(x), layer.kernel)
    rows = sampled_inputs(layer, x, y.shape, most, seed=3)
    expected = sampled_outputs(layer, y, most, seed=3)
    assert expected.shape[1] == min(most, y.shape[0] * int(np.prod(y.shape[1:-1])))
    np.testing.assert_allclose(rows @ grouped(layer, kernel), expected, atol=1e-5)
    np.testing.assert_array_equal(ungrouped(layer, grouped(layer, kernel)), kernel)


@pytest.fixture
def problem(rng):
    """Correlated inputs, of which one is always zero."""
    x = (rng.normal(size=(2, 500, 6)) @ rng.normal(size=(2, 6, 6))).astype("float32")
    x[..., 2] = 0.0
    kernel = rng.normal(size=(2, 6, 4)).astype("float32")
    return kernel, x, x @ kernel


def error(x, kernel, y):
    return np.square(x @ kernel - y).mean((1, 2))


def test_each_weight_takes_one_of_the_codes_around_it(problem):
    kernel, x, y = problem
    values = rounded(kernel, -2, FixedPoint(4), x, y)
    codes = values * 4.0
    np.testing.assert_array_equal(codes, np.rint(codes))
    inside = np.clip(kernel, -2.0, 1.75)
    assert np.abs(values - inside).max() < 0.25
    nearest = np.clip(np.rint(kernel * 4.0), -8, 7) / 4.0
    np.testing.assert_array_equal(values[:, 2], nearest[:, 2])  # nobody sees this input
    assert (error(x, values, y) < error(x, nearest, y)).all()


def test_scales_of_channels_are_those_of_single_channels(problem):
    kernel, x, y = problem
    exponents = np.array([[[-2, -1, -2, -3]], [[-1, -1, -4, -2]]])
    values = rounded(kernel, exponents, FixedPoint(4), x, y)
    for group, _, channel in np.ndindex(exponents.shape):
        each = (slice(group, group + 1), slice(None), slice(channel, channel + 1))
        alone = rounded(
            kernel[each],
            int(exponents[group, 0, channel]),
            FixedPoint(4),
            x[group : group + 1],
            y[each],
        )
        np.testing.assert_array_equal(values[each], alone)


def test_no_single_weight_could_do_better(problem):
    kernel, x, y = problem
    values = rounded(kernel, -2, FixedPoint(8), x, y)
    best = np.square(x @ values - y).sum((0, 1, 2))
    for index in np.argwhere(np.isfinite(values)):
        other = values.copy()
        low = np.floor(kernel[tuple(index)] * 4.0) / 4.0
        other[tuple(index)] = 2.0 * low + 0.25 - values[tuple(index)]
        assert np.square(x @ other - y).sum() > 0.98 * best


def test_weights_on_the_grid_stay(problem):
    kernel, x, y = problem
    kernel = np.rint(kernel * 4.0) / 4.0
    np.testing.assert_array_equal(rounded(kernel, -2, FixedPoint(8), x, y + 1.0), kernel)


def network():
    x = inputs = keras.Input((8, 8, 3))
    x = models.conv_block(models.conv_block(x, 6, "relu6"), 6)
    x = L.ReLU()(L.DepthwiseConv2D(3, name="depthwise")(x))
    x = L.Add()([L.Conv2D(6, 1)(x), L.Conv2D(6, 1, use_bias=False)(x)])
    return keras.Model(inputs, L.Dense(5)(x))


@pytest.fixture
def model(rng):
    return randomize(network(), rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(64, 8, 8, 3)).astype("float32")


def config(target, scales):
    return QuantizeConfig(weights=4, target=target, weight_scales=scales)


def quantized(model, x, target="litert", scales="tensor", **options):
    q = keras_alt.quantize_model(model, config(target, scales))
    keras_alt.calibrate(q, x, verbose=False, **options)
    return q


# A law of layers, a tendency of networks: initial weights, which backends draw otherwise, decide.
@pytest.mark.parametrize("correction", [False, True])
def test_outputs_come_nearer_to_the_float_model(model, x, correction):
    plain = quantized(model, x, bias_correction=correction)
    chosen = quantized(model, x, bias_correction=correction, adaptive_rounding=True)
    (expected,) = outputs(model, x)
    far, near = (np.square(outputs(q, x)[0] - expected).mean() for q in (plain, chosen))
    assert near < far


@pytest.mark.parametrize(
    ("target", "scales"),
    [("paper", "tensor"), ("litert", "tensor"), ("litert", "channel"), ("tflm", "tensor")],
)
def test_kernels_lie_on_their_grids_within_a_step(model, x, target, scales):
    before = keras_alt.quantize_model(model, config(target, scales))
    after = quantized(model, x, target, scales, adaptive_rounding=True, bias_correction=True)
    for old in before.layers:
        if not hasattr(old, "kernels") or not old.trainable:
            continue  # the reciprocal of an average pool stays
        new = after.get_layer(old.name)
        (quantizer, kernel), (_, floats) = new.constants()[0], old.constants()[0]
        codes = ops.convert_to_numpy(kernel) * np.exp2(-1.0 * quantizer.exponent)
        floats = ops.convert_to_numpy(floats) * np.exp2(-1.0 * quantizer.exponent)
        np.testing.assert_array_equal(codes, np.rint(codes))
        format = quantizer.format
        assert np.abs(codes - np.clip(floats, format.qmin, format.qmax)).max() < 1.0


@pytest.mark.parametrize("scales", ["tensor", "channel"])
def test_an_engine_computes_the_chosen_codes(model, x, scales):
    q = quantized(model, x, scales=scales, adaptive_rounding=True)
    assert keras_alt.verify(q, x[:4]).mismatches == 0


def test_an_error_leaves_the_model_as_it_was(model, x):
    q = keras_alt.quantize_model(model, QuantizeConfig(weights=4))
    before = q.get_weights()

    def rule(histogram, format):
        if format.bits > 8:
            raise ValueError("No threshold today.")
        return 1.0

    with pytest.raises(ValueError, match="today"):
        keras_alt.calibrate(q, x, activations=rule, adaptive_rounding=True, verbose=False)
    for old, new in zip(before, q.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_written_by_hand_has_no_float_model():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Q.QuantDense(3)(keras_alt.Quantizer(FixedPoint(8))(inputs)))
    with pytest.raises(ValueError, match="`adaptive_rounding` compares"):
        keras_alt.calibrate(model, np.ones((4, 4)), adaptive_rounding=True, verbose=False)
