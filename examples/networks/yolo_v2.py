"""YOLOv2, a detector of objects on DarkNet-19.

Redmon and Farhadi, YOLO9000: Better, Faster, Stronger (2016), https://arxiv.org/abs/1612.08242,
as in https://github.com/pjreddie/darknet/blob/master/cfg/yolov2.cfg.

For the 80 classes of COCO there are 50,983,561 parameters, 50,962,889 of them trainable. YAD2K
(https://github.com/allanzelener/YAD2K) prints these numbers of the published weights.
"""

import keras
from darknet19 import convolution, stages
from keras import layers


def yolo_v2(input_shape=(608, 608, 3), classes=80, anchors=5):
    """Return YOLOv2 with random weights.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.

    Args:
        input_shape: height, width and channels; height and width are multiples of 32.
        classes: number of kinds of objects.
        anchors: number of boxes in each cell.

    Returns:
        `keras.Model`. Its outputs are (height / 32, width / 32, anchors * (5 + classes)): position,
        size, confidence and classes of each box, in front of sigmoid, exponential and softmax.
    """
    inputs = keras.Input(input_shape)
    *_, fine, coarse = stages(inputs)
    coarse = convolution(coarse, "conv19", 1024, 3)
    coarse = convolution(coarse, "conv20", 1024, 3)
    fine = space_to_depth(convolution(fine, "conv21", 64, 1), "passthrough")
    x = layers.Concatenate(name="concat")([fine, coarse])
    x = convolution(x, "conv22", 1024, 3)
    outputs = layers.Conv2D(anchors * (5 + classes), 1, name="predictions")(x)
    return keras.Model(inputs, outputs, name="yolo_v2")


def space_to_depth(x, name):
    """Turn each square of 2 x 2 cells into one cell with four times the channels.

    The order of channels is that of `tf.nn.space_to_depth`.
    """
    _, height, width, channels = x.shape
    x = layers.Reshape((height // 2, 2, width // 2, 2 * channels), name=f"{name}_squares")(x)
    x = layers.Permute((1, 3, 2, 4), name=f"{name}_rows")(x)
    return layers.Reshape((height // 2, width // 2, 4 * channels), name=name)(x)
