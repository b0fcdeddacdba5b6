"""A float layer in an ONNX file is the same function as in Keras."""

import keras
import pytest
from conftest import randomize
from keras import layers as L
from keras import ops
from onnx_floats import EVERY_OPSET, IMAGE, LINE, SERIES, VOLUME, assert_same

pytestmark = pytest.mark.tensorflow_only


def activations():
    plain = (
        "relu relu6 leaky_relu elu selu celu silu gelu softplus softsign sigmoid tanh hard_sigmoid "
        "hard_silu mish log_softmax softmax exponential linear log_sigmoid hard_tanh hard_shrink "
        "soft_shrink tanh_shrink squareplus sparse_plus sparse_sigmoid"
    )
    return {name: (LINE, L.Activation(name)) for name in plain.split()}


LAYERS = {
    **activations(),
    "softmax over two axes": (IMAGE, L.Softmax(axis=(1, 2))),
    "softmax over one axis": (IMAGE, L.Softmax(axis=1)),
    "relu with arguments": (LINE, L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)),
    "leaky relu": (LINE, L.LeakyReLU(negative_slope=0.3)),
    "prelu": (IMAGE, L.PReLU(shared_axes=[1, 2])),
    "elu": (LINE, L.ELU(alpha=0.7)),
    "reshape": (IMAGE, L.Reshape((48, -1))),
    "flatten": (IMAGE, L.Flatten()),
    "flatten, channels first": (IMAGE, L.Flatten(data_format="channels_first")),
    "permute": (IMAGE, L.Permute((3, 1, 2))),
    "repeat vector": (LINE, L.RepeatVector(3)),
    "upsampling 1d": (SERIES, L.UpSampling1D(3)),
    "upsampling 2d": (IMAGE, L.UpSampling2D((2, 3))),
    "upsampling bilinear": (IMAGE, L.UpSampling2D((2, 3), interpolation="bilinear")),
    "upsampling bicubic": (IMAGE, L.UpSampling2D(2, interpolation="bicubic")),
    "upsampling 3d": (VOLUME, L.UpSampling3D((1, 2, 3))),
    "resizing larger": (IMAGE, L.Resizing(9, 11)),
    "resizing smaller": (IMAGE, L.Resizing(4, 5)),
    "resizing nearest": (IMAGE, L.Resizing(9, 5, interpolation="nearest")),
    "resizing with a window": (IMAGE, L.Resizing(4, 3, crop_to_aspect_ratio=True)),
    "resizing with a frame": (IMAGE, L.Resizing(9, 4, pad_to_aspect_ratio=True, fill_value=2)),
    "adaptive average pool": (IMAGE, L.AdaptiveAveragePooling2D((4, 3))),
    "adaptive max pool": (SERIES, L.AdaptiveMaxPooling1D(3)),
    "center crop": (IMAGE, L.CenterCrop(3, 4)),
    "cropping 1d": (SERIES, L.Cropping1D((1, 2))),
    "cropping 2d": (IMAGE, L.Cropping2D(((1, 2), (0, 1)))),
    "cropping 3d": (VOLUME, L.Cropping3D(1)),
    "zero padding 1d": (SERIES, L.ZeroPadding1D((1, 2))),
    "zero padding 2d": (IMAGE, L.ZeroPadding2D(((1, 2), (0, 1)))),
    "zero padding 3d": (VOLUME, L.ZeroPadding3D(1)),
    "global max pool 1d": (SERIES, L.GlobalMaxPooling1D()),
    "global max pool 2d": (IMAGE, L.GlobalMaxPooling2D(keepdims=True)),
    "global average pool 1d": (SERIES, L.GlobalAveragePooling1D()),
    "global average pool 2d": (IMAGE, L.GlobalAveragePooling2D()),
    "global average pool 3d": (VOLUME, L.GlobalAveragePooling3D()),
    "max pool 1d": (SERIES, L.MaxPooling1D(3, 2, padding="same")),
    "max pool 2d": (IMAGE, L.MaxPooling2D((3, 2), 2, padding="same")),
    "max pool 3d": (VOLUME, L.MaxPooling3D(2)),
    "average pool 1d": (SERIES, L.AveragePooling1D(3, 2, padding="same")),
    "average pool 2d": (IMAGE, L.AveragePooling2D(3, 2, padding="same")),
    "average pool 3d": (VOLUME, L.AveragePooling3D(2, padding="same")),
    "batch norm": (IMAGE, L.BatchNormalization()),
    "batch norm of axis 1": (IMAGE, L.BatchNormalization(axis=1, scale=False)),
    "layer norm": (SERIES, L.LayerNormalization()),
    "layer norm of two axes": (IMAGE, L.LayerNormalization(axis=(1, 3), center=False)),
    "layer norm by deviation": (SERIES, L.LayerNormalization(rms_scaling=True)),
    "group norm": (IMAGE, L.GroupNormalization(2)),
    "unit norm": (IMAGE, L.UnitNormalization(axis=-1)),
    "rms norm": (SERIES, L.RMSNormalization()),
    "normalization": (LINE, L.Normalization(mean=0.3, variance=2.0)),
    "normalization inverted": (LINE, L.Normalization(mean=0.3, variance=2.0, invert=True)),
    "rescaling": (IMAGE, L.Rescaling(1 / 3, -0.5)),
    "dropout": (LINE, L.Dropout(0.5)),
    "noise": (LINE, L.GaussianNoise(0.5)),
    "random flip": (IMAGE, L.RandomFlip()),
    "random rotation": (IMAGE, L.RandomRotation(0.2)),
    "random brightness": (IMAGE, L.RandomBrightness(0.2)),
    "dense": (IMAGE, L.Dense(5, activation="tanh")),
    "einsum dense": (SERIES, L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")),
    "conv 1d": (SERIES, L.Conv1D(5, 3, padding="same", dilation_rate=2, activation="elu")),
    "conv 1d causal": (SERIES, L.Conv1D(5, 3, padding="causal", dilation_rate=2)),
    "conv 2d": (IMAGE, L.Conv2D(6, (3, 2), strides=2, padding="same")),
    "conv 2d in groups": (IMAGE, L.Conv2D(6, 3, groups=2, use_bias=False)),
    "conv 2d with mish": (IMAGE, L.Conv2D(6, 3, activation="mish")),
    "dense with hard silu": (LINE, L.Dense(6, activation="hard_silu")),
    "conv 3d": (VOLUME, L.Conv3D(3, 2, padding="same")),
    "depthwise conv 1d": (SERIES, L.DepthwiseConv1D(3, depth_multiplier=2)),
    "depthwise conv 2d": (IMAGE, L.DepthwiseConv2D(3, strides=2, padding="same")),
    "depthwise conv multiplied": (IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable conv 1d": (SERIES, L.SeparableConv1D(5, 3)),
    "separable conv 2d": (IMAGE, L.SeparableConv2D(5, 3, padding="same", strides=2)),
    "conv transposed 1d": (SERIES, L.Conv1DTranspose(5, 3, strides=2, padding="same")),
    "conv transposed 2d": (IMAGE, L.Conv2DTranspose(5, 3, strides=2)),
    "conv transposed same": (IMAGE, L.Conv2DTranspose(5, (2, 4), strides=3, padding="same")),
    "conv transposed longer": (
        IMAGE,
        L.Conv2DTranspose(5, 3, strides=2, padding="same", output_padding=1),
    ),
    "conv transposed 3d": (VOLUME, L.Conv3DTranspose(2, 3, strides=2, padding="same")),
    "lstm": (SERIES, L.LSTM(5)),
    "lstm of sequences": (SERIES, L.LSTM(5, return_sequences=True, return_state=True)),
    "lstm backwards": (SERIES, L.LSTM(5, return_sequences=True, go_backwards=True)),
    "lstm with other gates": (
        SERIES,
        L.LSTM(5, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False),
    ),
    "lstm with gates unknown to ONNX": (SERIES, L.LSTM(5, activation="silu")),
    "gru": (SERIES, L.GRU(5, return_sequences=True, return_state=True)),
    "gru that resets before": (SERIES, L.GRU(5, reset_after=False)),
    "simple rnn": (SERIES, L.SimpleRNN(5, return_state=True)),
    "simple rnn with relu": (SERIES, L.SimpleRNN(5, activation="relu", return_sequences=True)),
    "bidirectional lstm": (SERIES, L.Bidirectional(L.LSTM(5, return_sequences=True))),
    "bidirectional gru": (SERIES, L.Bidirectional(L.GRU(5), merge_mode="sum")),
    "bidirectional with states": (SERIES, L.Bidirectional(L.GRU(5, return_state=True))),
    "stacked cells": (SERIES, L.RNN([L.LSTMCell(5), L.GRUCell(3)], return_sequences=True)),
    "time distributed": (SERIES, L.TimeDistributed(L.Dense(5, activation="relu"))),
    "time distributed images": ((3, *IMAGE), L.TimeDistributed(L.Conv2D(2, 3))),
    "network": (SERIES, keras.Sequential([L.Dense(5, "relu"), L.Dense(3, "softmax")])),
    "lambda": (LINE, L.Lambda(lambda x: ops.square(x) + 1)),
}


@pytest.mark.parametrize("kind", LAYERS)
@EVERY_OPSET
def test_layers(kind, writer, rng):
    shape, layer = LAYERS[kind]
    layer = type(layer).from_config(layer.get_config()) if kind != "lambda" else layer
    inputs = keras.Input(shape)
    assert_same(randomize(keras.Model(inputs, layer(inputs)), rng), rng, writer)
