"""Inception v1 (GoogLeNet) with batch norms, as TF-slim has it.

Szegedy et al., Going Deeper with Convolutions (2014), https://arxiv.org/abs/1409.4842. The batch
norms take the place of its local response norms, and 3x3 kernels that of its 5x5 kernels.

Up to the last concatenation there are 5,607,184 parameters, statistics included: the number in
https://github.com/tensorflow/models/blob/master/research/slim/nets/inception_v1_test.py.
"""

import keras
from keras import layers

# Filters of the four branches of a module: 1x1; 1x1 and 3x3; 1x1 and 3x3; 1x1 behind a pool.
STAGES = {
    "mixed_3": [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    "mixed_4": [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    "mixed_5": [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
}
POOLS = {"mixed_3": 3, "mixed_4": 3, "mixed_5": 2}


def inception_v1(input_shape=(224, 224, 3), classes=1000, classifier_activation="softmax"):
    """Return Inception v1 with random weights.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.
    """
    inputs = keras.Input(input_shape)
    x = convolution(inputs, "conv1", 64, 7, strides=2)
    x = layers.MaxPooling2D(3, 2, "same", name="pool1")(x)
    x = branch(x, "conv2", (64, 1), (192, 3))
    for stage, modules in STAGES.items():
        x = layers.MaxPooling2D(POOLS[stage], 2, "same", name=f"{stage}a_pool")(x)
        for letter, filters in zip("bcdef", modules, strict=False):
            x = module(x, stage + letter, *filters)
    x = layers.GlobalAveragePooling2D(name="pool5")(x)
    outputs = layers.Dense(classes, classifier_activation, name="predictions")(x)
    return keras.Model(inputs, outputs, name="inception_v1")


def module(x, name, single, narrow, wide, narrower, narrow_wide, behind_pool):
    """Concatenate four branches; the numbers are those of `STAGES`."""
    pool = layers.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x)
    branches = [
        branch(x, f"{name}_a", (single, 1)),
        branch(x, f"{name}_b", (narrow, 1), (wide, 3)),
        branch(x, f"{name}_c", (narrower, 1), (narrow_wide, 3)),
        branch(pool, f"{name}_d", (behind_pool, 1)),
    ]
    return layers.Concatenate(name=name)(branches)


def branch(x, name, *kernels):
    """Apply convolutions one after another; each is `(filters, size, strides, padding)`."""
    for i, kernel in enumerate(kernels, start=1):
        x = convolution(x, f"{name}{i}", *kernel)
    return x


def convolution(x, name, filters, size, strides=1, padding="same"):
    """Convolve, normalize and rectify."""
    x = layers.Conv2D(filters, size, strides, padding, use_bias=False, name=name)(x)
    # Without a factor for each channel: the next kernel can hold it.
    x = layers.BatchNormalization(momentum=0.9997, scale=False, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
