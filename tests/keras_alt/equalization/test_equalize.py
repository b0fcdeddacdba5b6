"""Equalization keeps the function, evens out channels and makes quantization more accurate."""

import keras
import numpy as np
import pytest
from conftest import assert_same_function, assert_same_outputs, outputs, randomize, sample
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.graph import origin_of
from keras_alt.layers import CappedReLU
from keras_alt.transforms import folded


def conv(filters=6, **options):
    return L.Conv2D(filters, 3, padding="same", **options)


def bottleneck(x):
    y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(12, 1, use_bias=False)(x)))
    y = L.ReLU(6.0)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(y)))
    return L.Add()([x, L.BatchNormalization()(L.Conv2D(x.shape[-1], 1)(y))])


def gated(x):
    """Squeeze and excite."""
    gate = L.Dense(x.shape[-1], activation="sigmoid")(
        L.Dense(3, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(x))
    )
    return L.Multiply()([x, gate])


def shared(x):
    layer = conv(6)
    return layer(L.ReLU()(layer(L.ReLU()(conv()(x)))))


def shared_relu(x):
    relu = L.ReLU(6.0)
    return relu(conv(5)(relu(conv(7)(x))))


def inner(x):
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, L.ReLU(6.0)(L.BatchNormalization()(conv()(inputs))), name="inner")(x)


IMAGE, LINE, VOLUME = (6, 6, 4), (8, 4), (3, 4, 5, 2)
# The layers between two kernels, with the size of the input.
NETWORKS = {
    "relu": (IMAGE, lambda x: L.ReLU()(conv()(x))),
    "relu6": (IMAGE, lambda x: conv(activation="relu6")(x)),
    "linear": (IMAGE, lambda x: conv()(x)),
    "leaky": (IMAGE, lambda x: L.LeakyReLU(0.1)(conv()(x))),
    "leaky_below_six": (IMAGE, lambda x: L.ReLU(6.0, negative_slope=0.1)(conv()(x))),
    "prelu": (IMAGE, lambda x: L.PReLU("normal", shared_axes=[1, 2])(conv()(x))),
    "prelu_of_cells": (IMAGE, lambda x: L.PReLU("normal")(conv()(x))),
    "silu": (IMAGE, lambda x: conv(activation="silu")(x)),
    "depthwise": (IMAGE, lambda x: L.DepthwiseConv2D(3, depth_multiplier=2)(conv()(x))),
    "separable": (IMAGE, lambda x: L.SeparableConv2D(5, 3, activation="relu")(conv()(x))),
    "groups": (IMAGE, lambda x: conv(4, groups=2, activation="relu")(conv(6)(x))),
    "transposed": (IMAGE, lambda x: L.Conv2DTranspose(5, 3, 2, activation="relu")(conv()(x))),
    "batch_norm": (IMAGE, lambda x: L.ReLU()(L.BatchNormalization()(conv()(x)))),
    "norm_behind_a_sum": (
        IMAGE,
        lambda x: L.BatchNormalization()(L.Add()([conv()(x), conv()(x)])),
    ),
    "pools": (IMAGE, lambda x: L.AveragePooling2D(2)(L.MaxPooling2D(2, 1)(L.ReLU()(conv()(x))))),
    "padding": (IMAGE, lambda x: L.UpSampling2D()(L.ZeroPadding2D()(L.ReLU()(conv()(x))))),
    "flatten": (IMAGE, lambda x: L.Dense(5, activation="relu")(L.Flatten()(L.ReLU()(conv()(x))))),
    "reshape": (IMAGE, lambda x: conv()(L.Reshape((9, 8, 3))(L.ReLU()(conv()(x))))),
    "residual": (IMAGE, lambda x: bottleneck(bottleneck(conv()(x)))),
    "concatenate": (IMAGE, lambda x: L.Concatenate()([conv(5)(x), L.ReLU(6.0)(conv(3)(x))])),
    "concatenate_rows": (IMAGE, lambda x: L.Concatenate(axis=1)([conv()(x), conv()(x)])),
    "broadcast": (IMAGE, lambda x: L.Add()([L.ReLU()(conv()(x)), conv(1)(x)])),
    "maximum": (IMAGE, lambda x: L.Maximum()([conv()(x), conv()(x), conv()(x)])),
    "average": (IMAGE, lambda x: L.Average()([conv()(x), conv()(x)])),
    "gate": (IMAGE, lambda x: gated(L.ReLU(6.0)(conv()(x)))),
    "gate_of_pixels": (
        IMAGE,
        lambda x: L.Multiply()([L.ReLU()(conv()(x)), conv(1, activation="sigmoid")(x)]),
    ),
    "product": (IMAGE, lambda x: L.Multiply()([conv()(x), conv()(x)])),
    "shared": (IMAGE, shared),
    "shared_relu": (IMAGE, shared_relu),
    "nested": (IMAGE, lambda x: inner(L.ReLU()(conv()(x)))),
    "norm_of_layers": (IMAGE, lambda x: L.LayerNormalization()(conv()(x))),
    "operators": (IMAGE, lambda x: ops.relu6(conv()(x)) * 2.0 + conv()(x)),
    "channels_first": (
        IMAGE,
        lambda x: L.ReLU()(
            L.DepthwiseConv2D(2, data_format="channels_first")(
                L.Conv2D(4, 2, groups=2, data_format="channels_first")(L.ReLU(6.0)(conv()(x)))
            )
        ),
    ),
    "dropout": (IMAGE, lambda x: L.SpatialDropout2D(0.5)(L.Dropout(0.5)(L.ReLU()(conv()(x))))),
    "line": (LINE, lambda x: L.Conv1D(5, 3, activation="relu6")(L.Conv1D(6, 3)(x))),
    "depthwise_line": (LINE, lambda x: L.DepthwiseConv1D(3, depth_multiplier=2)(L.Dense(3)(x))),
    "transposed_line": (LINE, lambda x: L.Conv1DTranspose(5, 3)(L.Conv1D(6, 3)(x))),
    "volume": (VOLUME, lambda x: L.Conv3D(4, 2, groups=2)(L.Conv3D(6, 2, activation="relu6")(x))),
}


def network(name, head=lambda x: L.Dense(3, name="head")(x)):
    size, blocks = NETWORKS[name]
    inputs = keras.Input(size)
    return keras.Model(inputs, head(blocks(inputs)))


def unequal(model, rng, spread=6):
    """Give the channels of every kernel different scales, and every bias values; return the model.

    Depthwise kernels come after ReLUs, so their networks need no bounds of another size.
    """
    for layer in model._flatten_layers():
        if not hasattr(layer, "kernel"):
            continue
        kernel, *bias = layer.get_weights()
        kernel = kernel * 2.0 ** rng.uniform(-spread / 2, spread / 2, kernel.shape[-1])
        layer.set_weights([kernel, *(rng.normal(0, 0.2, b.shape) for b in bias)])
    return randomize(model, rng)


def moved(model, equalized):
    """Return how many kernels differ."""
    pairs = zip(folded(model).weights, equalized.weights, strict=False)
    return sum(a.shape != b.shape or bool(np.any(np.array(a) != np.array(b))) for a, b in pairs)


# Layers that do not commute with a factor, or have one factor for all channels.
UNMOVED = (
    *("silu", "leaky_below_six", "shared", "norm_of_layers", "product", "channels_first"),
    "broadcast",
)


@pytest.mark.backend
@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_is_the_same(name, rng):
    model = unequal(network(name), rng)
    before = model.get_weights()
    equalized = keras_alt.equalize(model, sample(model, rng, 8), verbose=False)

    assert_same_function(model, equalized, rng)
    assert_same_outputs(folded(model), equalized, sample(model, rng, 8))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not (name in UNMOVED and moved(model, equalized))


@pytest.mark.parametrize("name", ["relu6", "residual", "depthwise", "prelu", "volume"])
def test_without_data_kernels_and_bounds_count(name, rng):
    model = unequal(network(name), rng)
    equalized = keras_alt.equalize(model, verbose=False)
    assert_same_outputs(folded(model), equalized, sample(model, rng, 8))
    assert moved(model, equalized)


def test_several_outputs_keep_their_scale_and_names(rng):
    inputs = keras.Input(IMAGE)
    x = L.ReLU()(conv()(inputs))
    model = unequal(keras.Model(inputs, {"a": L.Dense(3)(x), "b": conv(2)(x), "c": x}), rng)
    equalized = keras_alt.equalize(model, sample(model, rng), verbose=False)
    assert equalized.output_names == model.output_names
    assert_same_outputs(model, equalized, sample(model, rng))
    assert not moved(model, equalized)


def test_it_can_be_repeated_and_keeps_caps(rng):
    model = unequal(network("residual"), rng)
    x = sample(model, rng, 8)
    once = keras_alt.equalize(model, x, verbose=False)
    twice = keras_alt.equalize(unequal(once, rng), x, verbose=False)
    assert any(isinstance(layer, CappedReLU) for layer in once.layers)
    assert_same_outputs(once, twice, x)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_layers_keep_their_settings(policy, rng):
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(6, 3, name="first", dtype=policy, trainable=False)(inputs)
    x = L.ReLU(6.0, name="cap", dtype=policy)(x)
    model = keras.Model(inputs, L.Dense(3, name="head", kernel_regularizer="l2")(x))
    unequal(model, rng, spread=4)
    equalized = keras_alt.equalize(model, sample(model, rng), verbose=False)
    for name in ("first", "cap", "head"):
        old, new = model.get_layer(name), equalized.get_layer(name)
        assert (new.dtype_policy.name, new.trainable) == (old.dtype_policy.name, old.trainable)
        assert origin_of(new) == name
    assert isinstance(equalized.get_layer("cap"), CappedReLU)


def collapsing(rng):
    """Return a depthwise network whose norms scale channels from 2**-6 to 2**6."""
    x = inputs = keras.Input((8, 8, 3))
    for filters in (12, 12):
        x = L.Conv2D(filters, 1, use_bias=False)(x)
        x = L.ReLU(name=f"a{filters}_{len(x.shape)}_{id(x)}")(L.BatchNormalization()(x))
        x = L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization()(x))
    model = keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(x)))
    norms = [layer for layer in model.layers if isinstance(layer, L.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(2.0 ** rng.uniform(-6, 6, norm.gamma.shape))
        norm.beta.assign(0.3 * norm.gamma)
    return keras_alt.refresh_batch_norm(model, sample(model, rng, 32), verbose=False)


def error(model, x, reference):
    """Return the part of the outputs' power that quantization loses."""
    q = keras_alt.quantize_model(model, QuantizeConfig(target="litert"))
    keras_alt.calibrate(
        q, x, activations=keras_alt.calibration.maximum, samples=len(x), verbose=False
    )
    (y,) = outputs(q, x)
    return np.square(y - reference).mean() / np.square(reference).mean()


def test_a_depthwise_network_that_collapses_is_rescued(rng):
    model = collapsing(rng)
    head = model.layers[-1]  # each channel counts as much
    scales = outputs(keras.Model(model.inputs, head.input), sample(model, rng, 32))[0].mean(axis=0)
    head.kernel.assign(rng.normal(size=head.kernel.shape) / np.maximum(scales, 1e-6)[:, None])
    x = sample(model, rng, 32)
    (reference,) = outputs(model, x)

    static = error(model, x, reference)
    rescued = error(keras_alt.equalize(model, x, samples=32, verbose=False), x, reference)
    blind = error(keras_alt.equalize(model, verbose=False), x, reference)
    assert rescued < static / 10
    assert blind < static / 10


def test_constraints_of_scaled_weights_do_not_change_the_function(rng):
    rules = {"kernel_constraint": keras.constraints.MaxNorm(0.1), "bias_regularizer": "l2"}
    inputs = keras.Input(IMAGE)
    x = L.ReLU()(L.Conv2D(6, 3, name="scaled", **rules)(inputs))
    x = L.Conv2D(5, 1, name="reader", kernel_constraint="non_neg")(x)
    x = L.Flatten()(L.Activation("sigmoid")(x))
    model = keras.Model(inputs, L.Dense(3, name="head", kernel_regularizer="l2")(x))
    unequal(model, rng)
    reader = model.get_layer("reader")
    reader.kernel.assign(np.abs(reader.kernel))
    x = sample(model, rng, 8)
    named = r"`equalize` scales.*Received: 'scaled' \(bias_regularizer, kernel_constraint\)$"
    with pytest.warns(UserWarning, match=named) as found:
        equalized = keras_alt.equalize(model, x, verbose=False)
    assert [w.filename for w in found if "`equalize`" in str(w.message)] == [__file__]
    assert moved(model, equalized) > 0
    assert isinstance(equalized.get_layer("reader").kernel_constraint, keras.constraints.NonNeg)
    assert equalized.get_layer("head").kernel_regularizer is not None
    before = outputs(equalized, x)
    equalized.compile(keras.optimizers.SGD(0.0), "mse")
    equalized.fit(x, np.zeros((8, 3)), verbose=0)
    for a, b in zip(before, outputs(equalized, x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_equalized_is_told(rng):
    model = network("relu")
    x = sample(model, rng)
    with pytest.raises(ValueError, match="call it before `quantize_model`"):
        keras_alt.equalize(keras_alt.quantize_model(model), x)
    with pytest.raises(ValueError, match="layers with kernels.*Received: model 'flat'"):
        keras_alt.equalize(keras.Sequential([keras.Input((3,)), L.Flatten()], name="flat"))
    with pytest.raises(TypeError, match=r"expects a Keras 3 `keras.Model`"):
        keras_alt.equalize(L.Dense(3))
    with pytest.raises(ValueError, match="Received"):
        keras_alt.equalize(model, x[:, :3], verbose=False)
