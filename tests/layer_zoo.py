"""Every layer that has an integer form, in the ways of using it that engines tell apart.

Each entry is a function of an image (6, 6, 4), a line (8, 4) or a volume (3, 4, 5, 2) of floats.
"""

import keras
import numpy as np
from keras import layers as L
from keras import ops


def chain(*layers):
    """Return the composition of layers, which are made when it is called."""

    def apply(x):
        for layer in layers:
            x = layer()(x)
        return x

    return apply


def after_conv(*layers, activation=None):
    return chain(lambda: L.Conv2D(4, 3, activation=activation), *layers)


def after_conv1d(*layers):
    return chain(lambda: L.Conv1D(4, 3), *layers)


def after_conv3d(*layers):
    return chain(lambda: L.Conv3D(3, 2), *layers)


def merged(layer, count=2):
    """Merge results of different sign and scale."""

    def apply(x):
        activations = ["relu", None, "relu6"][:count]
        operands = [L.Conv2D(4, 3, padding="same", activation=a)(x) for a in activations]
        return layer()(operands)

    return apply


def operator(function):
    return lambda x: function(L.Conv2D(4, 3)(x))


def transposed(kernel, strides, **rules):
    return chain(lambda: L.Conv2DTranspose(4, kernel, strides=strides, **rules))


IMAGES = {
    "conv2d_strided": chain(lambda: L.Conv2D(5, 3, strides=2, padding="same")),
    "conv2d_oblong": chain(lambda: L.Conv2D(5, (2, 3), strides=(1, 2), padding="same")),
    "conv2d_dilated": chain(lambda: L.Conv2D(5, 3, dilation_rate=(1, 2))),
    "conv2d_dilated_same": chain(lambda: L.Conv2D(5, 2, dilation_rate=2, padding="same")),
    "conv2d_groups": chain(lambda: L.Conv2D(6, 3, groups=2, activation="relu")),
    "conv2d_groups_of_one": chain(lambda: L.Conv2D(8, 3, groups=4)),
    "conv2d_without_bias": chain(lambda: L.Conv2D(4, 3, use_bias=False, activation="relu6")),
    "conv2d_wide": chain(lambda: L.Conv2D(24, 3, padding="same", activation="relu")),
    "conv2d_one_channel": chain(lambda: L.Conv2D(1, 1), lambda: L.Conv2D(4, 3)),
    "depthwise": chain(lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
    "depthwise_strided": chain(lambda: L.DepthwiseConv2D(3, strides=2, padding="same")),
    "depthwise_oblong": chain(lambda: L.DepthwiseConv2D((2, 3), strides=(1, 2))),
    "depthwise_one_channel": chain(lambda: L.Conv2D(1, 1), lambda: L.DepthwiseConv2D(3)),
    "separable": chain(lambda: L.SeparableConv2D(5, 3, activation="relu")),
    "channels_first": chain(
        lambda: L.Permute((3, 1, 2)),
        lambda: L.Conv2D(4, 3, groups=2, activation="relu", data_format="channels_first"),
        lambda: L.DepthwiseConv2D(2, data_format="channels_first"),
        lambda: L.AveragePooling2D(2, data_format="channels_first"),
    ),
    "batch_norm": after_conv(L.BatchNormalization, activation="relu"),
    "batch_norm_of_rows": after_conv(lambda: L.BatchNormalization(axis=1), L.ReLU),
    "batch_norm_of_columns": after_conv(lambda: L.BatchNormalization(axis=2)),
    "factor_of_channels": operator(
        lambda x: L.Dense(3)(L.ReLU()(x) * np.array([0.5, -1.0, 0.3, 2.0]))
    ),
    "offset_of_rows": operator(
        lambda x: L.Dense(3)(ops.subtract(np.arange(4).reshape(1, 4, 1, 1) / 7, L.ReLU()(x)))
    ),
    "transposed_narrow": transposed(1, 2),
    "transposed_narrow_same": transposed(2, 3, padding="same"),
    "transposed_wide": transposed(3, 2, activation="relu"),
    "transposed_wide_same": transposed(3, 2, padding="same"),
    "transposed_even_same": transposed(4, 2, padding="same"),
    "transposed_oblong": transposed((2, 3), (3, 1), padding="same"),
    "dense": chain(L.Flatten, lambda: L.Dense(5, activation="relu"), lambda: L.Dense(3)),
    "dense_on_images": chain(lambda: L.Dense(5)),
    "einsum": chain(lambda: L.EinsumDense("abcd,de->abce", (6, 6, 5), bias_axes="e")),
    "einsum_heads": chain(lambda: L.EinsumDense("...d,def->...ef", (6, 6, 2, 3), bias_axes="ef")),
    "einsum_of_rows": chain(lambda: L.EinsumDense("abcd,eb->aecd", (3, 6, 4), activation="relu")),
    "max_pool": after_conv(lambda: L.MaxPooling2D((2, 3), 1, "same")),
    "average_pool": after_conv(lambda: L.AveragePooling2D(2), activation="relu"),
    "average_pool_signed": after_conv(lambda: L.AveragePooling2D(3, 1)),
    "average_pool_same": after_conv(lambda: L.AveragePooling2D(3, 2, "same")),
    "average_pool_oblong": after_conv(lambda: L.AveragePooling2D((1, 4)), activation="relu"),
    "average_pool_oblong_strided": after_conv(lambda: L.AveragePooling2D((3, 2), (1, 2))),
    "subsampling": after_conv(lambda: L.AveragePooling2D(1, 2)),
    "global_average": after_conv(L.GlobalAveragePooling2D),
    "global_average_kept": after_conv(
        lambda: L.GlobalAveragePooling2D(keepdims=True), activation="relu"
    ),
    "global_max": after_conv(lambda: L.GlobalMaxPooling2D(keepdims=True)),
    "upsampling": after_conv(lambda: L.UpSampling2D((2, 3))),
    "upsampling_by_resizing": after_conv(lambda: L.Resizing(8, 12, "nearest")),
    "bilinear": after_conv(lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "bilinear_oblong": after_conv(lambda: L.UpSampling2D((4, 1), interpolation="bilinear"), L.ReLU),
    "bilinear_channels_first": after_conv(
        lambda: L.UpSampling2D((2, 4), interpolation="bilinear", data_format="channels_first")
    ),
    "bilinear_by_resizing": after_conv(lambda: L.Resizing(32, 8), activation="relu"),
    "bilinear_one_channel": chain(
        lambda: L.Conv2D(1, 3), lambda: L.UpSampling2D(2, interpolation="bilinear")
    ),
    "zero_padding": chain(lambda: L.ZeroPadding2D(((1, 0), (2, 1))), lambda: L.Conv2D(4, 3)),
    "zero_padding_of_channels": after_conv(
        lambda: L.ZeroPadding2D((1, 0), data_format="channels_first"), activation="relu"
    ),
    "cropping": after_conv(lambda: L.Cropping2D(((1, 0), (0, 2)))),
    "permute": after_conv(lambda: L.Permute((3, 1, 2)), lambda: L.Dense(3)),
    "reshape": after_conv(lambda: L.Reshape((8, 8)), lambda: L.Dense(3)),
    "relu": after_conv(L.MaxPooling2D, L.ReLU),
    "relu_below_four": after_conv(lambda: L.ReLU(4.0)),
    "leaky_relu": after_conv(lambda: L.LeakyReLU(negative_slope=0.2)),
    "leaky_relu_below_six": after_conv(lambda: L.ReLU(max_value=6.0, negative_slope=0.1)),
    "prelu": after_conv(lambda: L.PReLU("normal", shared_axes=[1, 2])),
    "prelu_of_cells": after_conv(L.MaxPooling2D, lambda: L.PReLU("normal")),
    "add": merged(L.Add),
    "subtract": merged(L.Subtract),
    "maximum": merged(L.Maximum),
    "minimum": merged(L.Minimum),
    "concatenate": merged(L.Concatenate, 3),
    "concatenate_rows": merged(lambda: L.Concatenate(axis=1)),
    "max_of_rows": operator(lambda x: x + ops.max(x, axis=2, keepdims=True)),
    "max_of_channels": operator(lambda x: ops.max(x, axis=-1)),
    "transpose": operator(lambda x: L.Dense(3)(ops.transpose(x, (0, 2, 3, 1)))),
    "squeeze": operator(lambda x: ops.squeeze(ops.max(x, axis=1, keepdims=True), axis=1)),
    "softmax": chain(L.Flatten, lambda: L.Dense(3), L.Softmax),
    "sigmoid": chain(L.Flatten, lambda: L.Dense(3, activation="sigmoid")),
    "tanh": chain(L.Flatten, lambda: L.Dense(3, activation="tanh")),
}
LINES = {
    "conv1d": chain(lambda: L.Conv1D(5, 3)),
    "conv1d_same": chain(lambda: L.Conv1D(5, 3, strides=2, padding="same")),
    "conv1d_causal": chain(lambda: L.Conv1D(5, 3, padding="causal", dilation_rate=2)),
    "conv1d_groups": chain(lambda: L.Conv1D(4, 3, groups=2)),
    "transposed_1d": chain(lambda: L.Conv1DTranspose(4, 3, strides=2, activation="relu")),
    "transposed_1d_same": chain(lambda: L.Conv1DTranspose(4, 4, strides=2, padding="same")),
    "depthwise_1d": chain(lambda: L.DepthwiseConv1D(3, depth_multiplier=2, dilation_rate=2)),
    "depthwise_1d_strided": chain(lambda: L.DepthwiseConv1D(3, strides=2, padding="same")),
    "separable_1d": chain(lambda: L.SeparableConv1D(5, 3, padding="same", activation="relu")),
    "batch_norm_1d": chain(lambda: L.Conv1D(4, 3, activation="relu"), L.BatchNormalization),
    "batch_norm_of_features": chain(
        L.Flatten, lambda: L.Dense(5, activation="relu"), L.BatchNormalization, lambda: L.Dense(3)
    ),
    "dense_on_lines": chain(lambda: L.Dense(5, activation="relu")),
    "einsum_of_lines": chain(lambda: L.EinsumDense("abc,bcd->ad", 5, bias_axes="d")),
    "max_pool_1d": after_conv1d(lambda: L.MaxPooling1D(2)),
    "average_pool_1d": after_conv1d(lambda: L.AveragePooling1D(3, 2)),
    "global_average_1d": after_conv1d(L.GlobalAveragePooling1D),
    "global_max_1d": after_conv1d(L.GlobalMaxPooling1D),
    "upsampling_1d": after_conv1d(lambda: L.UpSampling1D(3)),
    "zero_padding_1d": after_conv1d(lambda: L.ZeroPadding1D((1, 2))),
    "cropping_1d": after_conv1d(lambda: L.Cropping1D((1, 2))),
    "prelu_1d": after_conv1d(lambda: L.PReLU("normal", shared_axes=[1])),
    "repeat_vector": after_conv1d(L.Flatten, lambda: L.RepeatVector(3)),
}


VOLUMES = {
    "conv3d": chain(lambda: L.Conv3D(3, (2, 3, 3), strides=(1, 2, 2), activation="relu")),
    "conv3d_same": chain(lambda: L.Conv3D(3, (2, 3, 2), strides=(2, 1, 2), padding="same")),
    "conv3d_groups": chain(lambda: L.Conv3D(4, 2, groups=2, dilation_rate=(1, 2, 2))),
    "conv3d_channels_first": chain(lambda: L.Conv3D(3, 2, data_format="channels_first")),
    "max_pool_3d": after_conv3d(lambda: L.MaxPooling3D((1, 2, 3), 1, "same")),
    "max_pool_3d_strided": after_conv3d(lambda: L.MaxPooling3D(2, (1, 1, 2))),
    "global_average_3d": after_conv3d(L.GlobalAveragePooling3D),
    "global_max_3d": after_conv3d(lambda: L.GlobalMaxPooling3D(keepdims=True)),
    "batch_norm_3d": after_conv3d(L.ReLU, L.BatchNormalization),
    "dense_on_volumes": chain(lambda: L.Dense(3)),
}
BRANCHES = {2: LINES, 3: IMAGES, 4: VOLUMES}


def network(*layers, size=(6, 6, 4)) -> keras.Model:
    """Return a model with one output for each of the named layers, or for all of them."""
    branches = BRANCHES[len(size)]
    inputs = keras.Input(size)
    return keras.Model(inputs, {name: branches[name](inputs) for name in layers or branches})
