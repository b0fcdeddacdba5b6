"""Inception v4.

Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning
(2016), https://arxiv.org/abs/1602.07261, in the form of TF-slim:
https://github.com/tensorflow/models/blob/master/research/slim/nets/inception_v4.py.

KerasHub (`inception_v4_imagenet`) and timm count 42,679,816 parameters. Their batch norms have a
factor for each channel, which those of TF-slim and of this file leave out, as the next kernel can
hold it: 42,648,232 trainable parameters remain.
"""

import keras
from inception_v1 import branch, convolution
from keras import layers

ROW, COLUMN = (1, 7), (7, 1)


def inception_v4(input_shape=(299, 299, 3), classes=1000, classifier_activation="softmax"):
    """Return Inception v4 with random weights.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.
    """
    inputs = keras.Input(input_shape)
    x = stem(inputs)
    for letter in "bcde":
        x = module_a(x, f"mixed_5{letter}")
    x = reduction_a(x, "mixed_6a")
    for letter in "bcdefgh":
        x = module_b(x, f"mixed_6{letter}")
    x = reduction_b(x, "mixed_7a")
    for letter in "bcd":
        x = module_c(x, f"mixed_7{letter}")
    x = layers.GlobalAveragePooling2D(name="pool8")(x)
    outputs = layers.Dense(classes, classifier_activation, name="predictions")(x)
    return keras.Model(inputs, outputs, name="inception_v4")


def stem(x):
    """Reduce the image to an eighth of its height and width, with 384 channels."""
    x = convolution(x, "conv1", 32, 3, 2, "valid")
    x = branch(x, "conv2", (32, 3, 1, "valid"), (64, 3))
    x = joined("mixed_3a", halved(x, "mixed_3a"), branch(x, "mixed_3a_b", (96, 3, 2, "valid")))
    x = joined(
        "mixed_4a",
        branch(x, "mixed_4a_a", (64, 1), (96, 3, 1, "valid")),
        branch(x, "mixed_4a_b", (64, 1), (64, ROW), (64, COLUMN), (96, 3, 1, "valid")),
    )
    return joined("mixed_5a", branch(x, "mixed_5a_a", (192, 3, 2, "valid")), halved(x, "mixed_5a"))


def module_a(x, name):
    return joined(
        name,
        branch(x, f"{name}_a", (96, 1)),
        branch(x, f"{name}_b", (64, 1), (96, 3)),
        branch(x, f"{name}_c", (64, 1), (96, 3), (96, 3)),
        branch(averaged(x, name), f"{name}_d", (96, 1)),
    )


def reduction_a(x, name):
    return joined(
        name,
        branch(x, f"{name}_a", (384, 3, 2, "valid")),
        branch(x, f"{name}_b", (192, 1), (224, 3), (256, 3, 2, "valid")),
        halved(x, name),
    )


def module_b(x, name):
    long = (192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW)
    return joined(
        name,
        branch(x, f"{name}_a", (384, 1)),
        branch(x, f"{name}_b", (192, 1), (224, ROW), (256, COLUMN)),
        branch(x, f"{name}_c", *long),
        branch(averaged(x, name), f"{name}_d", (128, 1)),
    )


def reduction_b(x, name):
    return joined(
        name,
        branch(x, f"{name}_a", (192, 1), (192, 3, 2, "valid")),
        branch(x, f"{name}_b", (256, 1), (256, ROW), (320, COLUMN), (320, 3, 2, "valid")),
        halved(x, name),
    )


def module_c(x, name):
    """Concatenate four branches, two of which end in a fork."""
    return joined(
        name,
        branch(x, f"{name}_a", (256, 1)),
        forked(branch(x, f"{name}_b", (384, 1)), f"{name}_b"),
        forked(branch(x, f"{name}_c", (384, 1), (448, (3, 1)), (512, (1, 3))), f"{name}_c"),
        branch(averaged(x, name), f"{name}_d", (256, 1)),
    )


def forked(x, name):
    """Concatenate a row kernel and a column kernel of the same tensor."""
    row = convolution(x, f"{name}_row", 256, (1, 3))
    return joined(f"{name}_fork", row, convolution(x, f"{name}_column", 256, (3, 1)))


def joined(name, *branches):
    return layers.Concatenate(name=name)(branches)


def halved(x, name):
    return layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)


def averaged(x, name):
    return layers.AveragePooling2D(3, 1, "same", name=f"{name}_pool")(x)
