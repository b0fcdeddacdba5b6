"""ResNet v1.5: the residual networks that most published weights belong to.

He et al., Deep Residual Learning for Image Recognition (2015), https://arxiv.org/abs/1512.03385.
Version 1.5 strides in the 3x3 kernel of a block, and `keras.applications` in the 1x1 kernel before
it. Kernels in front of a batch norm have no bias.

The networks of torchvision, https://docs.pytorch.org/vision/stable/models.html, have this form:
25,557,032 trainable parameters (ResNet50), 44,549,160 (ResNet101) and 60,192,808 (ResNet152).
"""

import keras
from keras import layers


def resnet50_v1_5(input_shape=(224, 224, 3), classes=1000, classifier_activation="softmax"):
    """Return ResNet50 v1.5 with random weights."""
    return resnet("resnet50_v1_5", (3, 4, 6, 3), input_shape, classes, classifier_activation)


def resnet101_v1_5(input_shape=(224, 224, 3), classes=1000, classifier_activation="softmax"):
    """Return ResNet101 v1.5 with random weights."""
    return resnet("resnet101_v1_5", (3, 4, 23, 3), input_shape, classes, classifier_activation)


def resnet152_v1_5(input_shape=(224, 224, 3), classes=1000, classifier_activation="softmax"):
    """Return ResNet152 v1.5 with random weights."""
    return resnet("resnet152_v1_5", (3, 8, 36, 3), input_shape, classes, classifier_activation)


def resnet(name, depths, input_shape, classes, classifier_activation):
    """Return a residual network; `depths` are the numbers of blocks in its four stages.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.
    """
    inputs = keras.Input(input_shape)
    x = layers.ReLU(name="conv1_relu")(convolution(inputs, "conv1", 64, 7, strides=2))
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, depth in enumerate(depths, start=2):
        for i in range(depth):
            strides = 2 if i == 0 and stage > 2 else 1
            x = block(x, f"conv{stage}_block{i + 1}", 32 * 2 ** (stage - 1), strides)
    x = layers.GlobalAveragePooling2D(name="pool5")(x)
    outputs = layers.Dense(classes, classifier_activation, name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def block(x, name, filters, strides):
    """Add a bottleneck of three kernels to its input, or to a projection of it."""
    shortcut = x
    if x.shape[-1] != 4 * filters:
        shortcut = convolution(x, f"{name}_shortcut", 4 * filters, 1, strides)
    x = layers.ReLU(name=f"{name}_1_relu")(convolution(x, f"{name}_1", filters, 1))
    x = layers.ReLU(name=f"{name}_2_relu")(convolution(x, f"{name}_2", filters, 3, strides))
    x = convolution(x, f"{name}_3", 4 * filters, 1)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def convolution(x, name, filters, size, strides=1):
    """Convolve with the same padding on all sides, then normalize."""
    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, size, strides, use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
