"""DarkNet-19, the classifier in front of YOLOv2.

Redmon and Farhadi, YOLO9000: Better, Faster, Stronger (2016), https://arxiv.org/abs/1612.08242,
table 6, with the details of https://github.com/pjreddie/darknet/blob/master/cfg/darknet19.cfg:
batch norms, leaky ReLUs of slope 0.1, and a last kernel with a bias in front of the average pool.

20,842,376 parameters are trainable, the number in
https://github.com/osmr/imgclsmob/blob/master/pytorch/pytorchcv/models/darknet.py. With the
statistics there are 20,856,776.
"""

import keras
from keras import layers

# Filters and size of each kernel; a pool lies between two stages.
STAGES = [
    [(32, 3)],
    [(64, 3)],
    [(128, 3), (64, 1), (128, 3)],
    [(256, 3), (128, 1), (256, 3)],
    [(512, 3), (256, 1), (512, 3), (256, 1), (512, 3)],
    [(1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3)],
]


def darknet19(input_shape=(256, 256, 3), classes=1000, classifier_activation="softmax"):
    """Return DarkNet-19 with random weights.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.
    """
    inputs = keras.Input(input_shape)
    x = stages(inputs)[-1]
    x = layers.Conv2D(classes, 1, name="predictions")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Activation(classifier_activation, name="probabilities")(x)
    return keras.Model(inputs, outputs, name="darknet19")


def stages(x):
    """Return the outputs of the six stages, each half as high and wide as the one before."""
    outputs, number = [], 1
    for kernels in STAGES:
        if outputs:
            x = layers.MaxPooling2D(2, name=f"pool{len(outputs)}")(x)
        for filters, size in kernels:
            x = convolution(x, f"conv{number}", filters, size)
            number += 1
        outputs.append(x)
    return outputs


def convolution(x, name, filters, size):
    """Convolve, normalize and apply a leaky ReLU."""
    x = layers.Conv2D(filters, size, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}_leaky")(x)
