"""Inception v2 (BN-Inception), as TF-slim has it: the first layer is a separable convolution.

Ioffe and Szegedy, Batch Normalization (2015), https://arxiv.org/abs/1502.03167. TF-slim gives
the separable convolution a bias, and no batch norm.

Up to the last concatenation there are 10,173,112 parameters, statistics included: the number in
https://github.com/tensorflow/models/blob/master/research/slim/nets/inception_v2_test.py.
"""

import keras
from inception_v1 import branch
from keras import layers

# Filters of the four branches of a module: 1x1; 1x1 and 3x3; 1x1 and twice 3x3; 1x1 behind a pool.
MODULES = {
    "mixed_3b": (64, (64, 64), (64, 96), 32),
    "mixed_3c": (64, (64, 96), (64, 96), 64),
    "mixed_4b": (224, (64, 96), (96, 128), 128),
    "mixed_4c": (192, (96, 128), (96, 128), 128),
    "mixed_4d": (160, (128, 160), (128, 160), 96),
    "mixed_4e": (96, (128, 192), (160, 192), 96),
    "mixed_5b": (352, (192, 320), (160, 224), 128),
    "mixed_5c": (352, (192, 320), (192, 224), 128),
}


def inception_v2(input_shape=(224, 224, 3), classes=1000, classifier_activation="softmax"):
    """Return Inception v2 with random weights.

    The first kernel is the depthwise one of the layer `conv1`, the last that of `predictions`.
    """
    inputs = keras.Input(input_shape)
    x = layers.SeparableConv2D(64, 7, 2, "same", depth_multiplier=8, name="conv1")(inputs)
    x = layers.ReLU(name="conv1_relu")(x)
    x = layers.MaxPooling2D(3, 2, "same", name="pool1")(x)
    x = branch(x, "conv2", (64, 1), (192, 3))
    x = layers.MaxPooling2D(3, 2, "same", name="pool2")(x)
    x = modules(x, "mixed_3b", "mixed_3c")
    x = reduction(x, "mixed_4a", (128, 160), (64, 96))
    x = modules(x, "mixed_4b", "mixed_4c", "mixed_4d", "mixed_4e")
    x = reduction(x, "mixed_5a", (128, 192), (192, 256))
    x = modules(x, "mixed_5b", "mixed_5c")
    x = layers.GlobalAveragePooling2D(name="pool5")(x)
    outputs = layers.Dense(classes, classifier_activation, name="predictions")(x)
    return keras.Model(inputs, outputs, name="inception_v2")


def modules(x, *names):
    """Apply modules one after another; only the very last one has a maximum as its pool."""
    for name in names:
        pool = layers.MaxPooling2D if name == "mixed_5c" else layers.AveragePooling2D
        x = module(x, name, pool(3, 1, "same", name=f"{name}_pool"), *MODULES[name])
    return x


def module(x, name, pool, single, double, triple, behind_pool):
    """Concatenate four branches; the numbers are those of `MODULES`."""
    branches = [
        branch(x, f"{name}_a", (single, 1)),
        branch(x, f"{name}_b", (double[0], 1), (double[1], 3)),
        branch(x, f"{name}_c", (triple[0], 1), (triple[1], 3), (triple[1], 3)),
        branch(pool(x), f"{name}_d", (behind_pool, 1)),
    ]
    return layers.Concatenate(name=name)(branches)


def reduction(x, name, double, triple):
    """Halve height and width: concatenate two branches of kernels and a pool."""
    branches = [
        branch(x, f"{name}_a", (double[0], 1), (double[1], 3, 2)),
        branch(x, f"{name}_b", (triple[0], 1), (triple[1], 3), (triple[1], 3, 2)),
        layers.MaxPooling2D(3, 2, "same", name=f"{name}_pool")(x),
    ]
    return layers.Concatenate(name=name)(branches)
