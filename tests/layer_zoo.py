"""Every layer that has an integer form, in the ways of using it that engines tell apart.

Each entry is a function of an image (6, 6, 4), a line (8, 4) or a volume (3, 4, 5, 2) of floats.
"""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_alt.layers import CappedReLU


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


def function(*layers):
    """Apply an elementwise function between two layers with kernels."""
    return after_conv(*layers, lambda: L.Conv2D(3, 1))


def gated(x, axes):
    """Multiply by a gate that is repeated over `axes`."""
    x = L.Conv2D(4, 3, activation="relu")(x)
    gate = ops.max(L.Conv2D(x.shape[-1], 1)(x), axis=axes, keepdims=True)
    return L.Conv2D(3, 1)(L.Multiply()([x, L.Activation("sigmoid")(gate)]))


def attended(x):
    """Multiply the rows of an image by each other, then by themselves."""
    query, key = L.Dense(6)(x), L.Dense(6, activation="relu")(x)
    scores = ops.einsum("bhqd,bhkd->bhqk", query, key)
    return L.Conv2D(3, 1)(ops.einsum("bhqk,bhkd->bqhd", L.ReLU()(scores), L.Dense(5)(x)))


def softmax(axis=-1):
    return after_conv(lambda: L.Softmax(axis), lambda: L.Conv2D(3, 1))


def operator(function):
    return lambda x: function(L.Conv2D(4, 3)(x))


def after_volume(*layers):
    return chain(lambda: L.Conv2D(4, 3), lambda: L.Reshape((2, 2, 4, 4)), *layers)


def transposed(kernel, strides, **rules):
    return chain(lambda: L.Conv2DTranspose(4, kernel, strides=strides, **rules))


def capped(x):
    """Clip to caps from below one step to beyond all codes."""
    layer = CappedReLU()
    layer.build(x.shape)
    layer.set_weights([2.0 ** np.linspace(-9, 5, x.shape[-1])])
    return layer(x)


def values(*shape):
    """Return an array to merge with a tensor."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def weighted(x):
    """Return a weight for each step of a line, and its steps."""
    return ops.max(L.Conv1D(4, 3)(x), axis=-1), L.Conv1D(4, 3)(x)


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
    "array_added": operator(lambda x: L.Dense(3)(L.ReLU()(x) + values(4, 4, 4))),
    "array_subtracted": operator(lambda x: L.Dense(3)(L.ReLU()(x - values(4, 1, 4)))),
    "array_reduced": operator(lambda x: L.Dense(3)(ops.subtract(values(1, 4, 4, 1), x))),
    "array_multiplied": operator(lambda x: L.Dense(3)(x * values(4, 4, 1))),
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
    "relus_in_a_row": after_conv(lambda: L.Activation("relu6"), activation="relu"),
    "relu_and_leaky_relu": after_conv(
        lambda: L.Activation("relu"), lambda: L.LeakyReLU(negative_slope=0.2)
    ),
    "relus_behind_a_sum": chain(
        lambda: merged(L.Add), lambda: L.Activation("relu"), lambda: L.Activation("relu6")
    ),
    "capped_relu": operator(capped),
    "capped_relu_of_codes": after_conv(L.MaxPooling2D, lambda: capped),
    "capped_relu_of_averages": after_conv(L.GlobalAveragePooling2D, lambda: capped),
    "capped_relu_behind_a_sum": lambda x: capped(merged(L.Add)(x)),
    "capped_relu_behind_averages": after_conv(lambda: L.AveragePooling2D(2), lambda: capped),
    "capped_relus_in_a_row": lambda x: L.ReLU()(capped(capped(L.ReLU()(L.Conv2D(4, 3)(x))))),
    "capped_relu_and_others": operator(lambda x: L.Add()([capped(x), L.LeakyReLU()(capped(x))])),
    "leaky_relu": after_conv(lambda: L.LeakyReLU(negative_slope=0.2)),
    "leaky_relu_below_six": after_conv(lambda: L.ReLU(max_value=6.0, negative_slope=0.1)),
    "prelu": after_conv(lambda: L.PReLU("normal", shared_axes=[1, 2])),
    "prelu_of_cells": after_conv(L.MaxPooling2D, lambda: L.PReLU("normal")),
    "add": merged(L.Add),
    "subtract": merged(L.Subtract),
    "maximum": merged(L.Maximum),
    "minimum": merged(L.Minimum),
    "add_three": merged(L.Add, 3),
    "maximum_of_three": merged(L.Maximum, 3),
    "minimum_of_three": merged(L.Minimum, 3),
    "minimum_of_four": lambda x: L.Minimum()([L.Dense(3)(x) for _ in range(4)]),
    "concatenate": merged(L.Concatenate, 3),
    "concatenate_rows": merged(lambda: L.Concatenate(axis=1)),
    "max_of_rows": operator(lambda x: x + ops.max(x, axis=2, keepdims=True)),
    "min_of_rows": operator(lambda x: x - ops.min(x, axis=2, keepdims=True)),
    "min_of_image": operator(lambda x: ops.min(x, axis=(1, 2, 3))),
    "mean_of_rows": operator(lambda x: ops.mean(x, axis=2)),
    "mean_of_channels": operator(lambda x: x - ops.mean(x, axis=-1, keepdims=True)),
    "mean_of_all": operator(lambda x: ops.mean(x, axis=(1, 2, 3), keepdims=True)),
    "mean_of_lines": operator(lambda x: L.Dense(3)(ops.mean(x, axis=(1, 3)))),
    "sum_of_rows": operator(lambda x: ops.sum(x, axis=1)),
    "sum_of_channels": operator(lambda x: ops.sum(x, axis=-1, keepdims=True)),
    "sum_of_image": operator(lambda x: ops.sum(x, axis=(1, 2))),
    "sum_of_all": operator(lambda x: ops.sum(x, axis=(1, 2, 3))),
    "max_of_channels": operator(lambda x: ops.max(x, axis=-1)),
    "transpose": operator(lambda x: L.Dense(3)(ops.transpose(x, (0, 2, 3, 1)))),
    "squeeze": operator(lambda x: ops.squeeze(ops.max(x, axis=1, keepdims=True), axis=1)),
    "multiply": lambda x: L.Conv2D(3, 1)(merged(L.Multiply)(x)),
    "average": lambda x: L.Conv2D(3, 1)(merged(L.Average)(x)),
    "average_of_three": lambda x: L.Conv2D(3, 1)(merged(L.Average, 3)(x)),
    "multiply_by_channels": lambda x: gated(x, axes=(1, 2)),
    "multiply_by_pixels": lambda x: gated(x, axes=-1),
    "matmul": operator(lambda x: L.Dense(3)(ops.matmul(x, L.Dense(5)(x)))),
    "matmul_of_unsigned": operator(
        lambda x: L.Dense(3)(ops.matmul(*(L.Dense(4, activation="relu")(x) for _ in range(2))))
    ),
    "einsum_operator": attended,
    "silu": function(lambda: L.Activation("silu")),
    "hard_silu": function(lambda: L.Activation("hard_silu")),
    "gelu": function(lambda: L.Activation("gelu")),
    "inner_sigmoid": function(lambda: L.Activation("sigmoid")),
    "inner_tanh": function(lambda: L.Activation("tanh")),
    "elu": function(lambda: L.ELU(0.5)),
    "exponential": function(lambda: L.Activation("exponential")),
    "relu_above_one": function(lambda: L.ReLU(threshold=1.0)),
    "silu_of_relu": function(L.ReLU, lambda: L.Activation("silu")),
    "rescaling": function(lambda: L.Rescaling(-1.5, 0.25)),
    "absolute": operator(lambda x: L.Conv2D(3, 1)(ops.abs(x))),
    "inner_softmax": softmax(),
    "softmax_of_rows": softmax(axis=1),
    "softmax_of_volumes": after_volume(lambda: L.Softmax(3), lambda: L.Dense(3)),
    "softmax_scaled": operator(lambda x: L.Dense(3)(ops.softmax(L.ReLU()(x) * 3, axis=2))),
    "clip": operator(lambda x: L.Conv2D(3, 1)(ops.clip(x, -0.5, 0.75))),
    "slice": operator(lambda x: L.Dense(3)(x[:, 1:, :-1])),
    "slice_of_steps": operator(lambda x: x[:, ::2, ::-1, None, 1:3]),
    "slice_of_indices": operator(lambda x: L.Dense(3)(x[:, 1, ..., -2:])),
    "take": operator(lambda x: ops.take(x, [2, 0, 0, -1], axis=-1)),
    "split": operator(lambda x: L.Subtract()(ops.split(x, 2, axis=-1))),
    "split_at": operator(lambda x: L.Concatenate(axis=2)(ops.split(x, [1, 2], axis=1)[1:2] * 2)),
    "unstack": operator(lambda x: L.Add()(ops.unstack(x, axis=2)[:2])),
    "stack": operator(lambda x: ops.stack([x, L.Conv2D(4, 1, activation="relu")(x)], axis=2)),
    "stack_of_channels": operator(lambda x: ops.stack([x, L.Conv2D(4, 1)(x)], axis=-1)),
    "concatenate_operator": operator(lambda x: ops.concatenate([x, L.Conv2D(3, 1)(x)], axis=-1)),
    "flip": operator(lambda x: L.Dense(3)(ops.flip(x, axis=(1, -1)))),
    "rot90": operator(lambda x: L.Conv2D(3, (3, 2))(ops.rot90(x, 3, axes=(1, 2)))),
    "roll": operator(lambda x: L.Add()([x, ops.roll(x, (1, -1), axis=(1, 2))])),
    "tile": operator(lambda x: ops.tile(x, (2, 1, 3))),
    "repeat": operator(lambda x: ops.repeat(x, 3, axis=-1)),
    "repeat_unequally": operator(lambda x: ops.repeat(x, [2, 0, 1, 1], axis=1)),
    "pad": operator(lambda x: L.Conv2D(3, 3)(ops.pad(x, ((0, 0), (1, 0), (0, 2), (0, 1))))),
    "pad_reflecting": operator(
        lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0)), mode="reflect")
    ),
    "broadcast": operator(lambda x: ops.tile(ops.max(x, axis=1, keepdims=True), (1, 4, 1, 1))),
    "ravel_of_one": operator(lambda x: ops.expand_dims(x[:, 0], axis=1)),
    "swapaxes": operator(lambda x: L.Dense(3)(ops.swapaxes(x, 1, -1))),
    "moveaxis": operator(lambda x: L.Dense(3)(ops.moveaxis(x, (1, 2), (-1, 1)))),
    "space_to_depth": operator(lambda x: L.Dense(3)(ops.space_to_depth(x, 2))),
    "depth_to_space": operator(lambda x: L.Conv2D(3, 3)(ops.depth_to_space(x, 2))),
    "zero_padding_3d": after_volume(lambda: L.ZeroPadding3D(((1, 0), (0, 2), (1, 1)))),
    "cropping_3d": after_volume(lambda: L.Cropping3D(((0, 1), (0, 0), (1, 1)))),
    "upsampling_3d": after_volume(lambda: L.UpSampling3D((1, 2, 3))),
    "global_average_3d": after_volume(L.GlobalAveragePooling3D),
    "global_max_3d": after_volume(lambda: L.GlobalMaxPooling3D(keepdims=True)),
    "max_pool_operator": operator(lambda x: ops.max_pool(x, 2, strides=1, padding="same")),
    "average_pool_operator": operator(lambda x: ops.average_pool(x, (1, 2))),
    "noise": after_conv(lambda: L.GaussianNoise(1.0), lambda: L.AlphaDropout(0.5), L.RandomFlip),
    "noise_in_front": chain(lambda: L.RandomRotation(0.5), lambda: L.GaussianNoise(1.0)),
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
    # The reciprocal of seven, in float32, decides ties otherwise than the quotient.
    "mean_of_seven": chain(lambda: L.Conv1D(16, 2, activation="relu"), L.GlobalAveragePooling1D),
    "mean_of_seven_channels_first": chain(
        lambda: L.Conv1D(7, 2), lambda: L.GlobalAveragePooling1D(data_format="channels_first")
    ),
    "global_max_1d": after_conv1d(L.GlobalMaxPooling1D),
    "upsampling_1d": after_conv1d(lambda: L.UpSampling1D(3)),
    "zero_padding_1d": after_conv1d(lambda: L.ZeroPadding1D((1, 2))),
    "cropping_1d": after_conv1d(lambda: L.Cropping1D((1, 2))),
    "prelu_1d": after_conv1d(lambda: L.PReLU("normal", shared_axes=[1])),
    "distributed_dense": after_conv1d(lambda: L.TimeDistributed(L.Dense(3, activation="relu"))),
    "distributed_conv": chain(
        lambda: L.Reshape((2, 4, 4)),
        lambda: L.TimeDistributed(L.Conv1D(3, 2, padding="same", activation="relu")),
        lambda: L.TimeDistributed(L.MaxPooling1D(2)),
        lambda: L.TimeDistributed(L.GlobalAveragePooling1D()),
    ),
    "dot": lambda x: L.Dense(3)(L.Dot(axes=1)([L.Conv1D(5, 3)(x), L.Conv1D(4, 3)(x)])),
    "einsum_operator_of_lines": lambda x: L.Dense(3)(ops.einsum("bt,btc->bc", *weighted(x))),
    "positions": lambda x: L.Dense(3)(L.Conv1D(4, 3)(x) + values(6, 4)),
    "capped_relu_1d": lambda x: capped(L.Conv1D(4, 3)(x)),
    "repeat_vector": after_conv1d(L.Flatten, lambda: L.RepeatVector(3)),
}


VOLUMES = {
    "conv3d": chain(lambda: L.Conv3D(3, (2, 3, 3), strides=(1, 2, 2), activation="relu")),
    "conv3d_same": chain(lambda: L.Conv3D(3, (2, 3, 2), strides=(2, 1, 2), padding="same")),
    "conv3d_groups": chain(lambda: L.Conv3D(4, 2, groups=2, dilation_rate=(1, 2, 2))),
    "conv3d_channels_first": chain(lambda: L.Conv3D(3, 2, data_format="channels_first")),
    "distributed_images": chain(
        lambda: L.TimeDistributed(
            keras.Sequential([L.Conv2D(3, 2), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(2)])
        )
    ),
    "max_pool_3d": after_conv3d(lambda: L.MaxPooling3D((1, 2, 3), 1, "same")),
    "max_pool_3d_strided": after_conv3d(lambda: L.MaxPooling3D(2, (1, 1, 2))),
    "global_average_3d": after_conv3d(L.GlobalAveragePooling3D),
    "global_max_3d": after_conv3d(lambda: L.GlobalMaxPooling3D(keepdims=True)),
    "capped_relu_3d": lambda x: capped(L.Conv3D(4, 2)(x)),
    "batch_norm_3d": after_conv3d(L.ReLU, L.BatchNormalization),
    "dense_on_volumes": chain(lambda: L.Dense(3)),
}
BRANCHES = {2: LINES, 3: IMAGES, 4: VOLUMES}
# Layers that stay float under a target.
FLOATS = {"tflm": ("inner_softmax", "softmax_of_rows", "softmax_of_volumes", "softmax_scaled")}


def network(*layers, size=(6, 6, 4), target=None) -> keras.Model:
    """Return a model with one output for each of the named layers.

    By default these are all layers that `target` computes in integers.
    """
    branches = BRANCHES[len(size)]
    layers = layers or [name for name in branches if name not in FLOATS.get(target, ())]
    inputs = keras.Input(size)
    return keras.Model(inputs, {name: branches[name](inputs) for name in layers})
