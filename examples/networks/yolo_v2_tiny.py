"""YOLOv2-tiny, a small detector of objects.

Redmon and Farhadi, YOLO9000: Better, Faster, Stronger (2016), https://arxiv.org/abs/1612.08242,
as in https://github.com/pjreddie/darknet/blob/master/cfg/yolov2-tiny.cfg.

For the 80 classes of COCO there are 11,237,145 parameters: a weights file of 44,948,600 bytes is a
header of 20 and that many numbers. Weights for the 20 classes of Pascal VOC belong to
`yolo_v2_tiny(classes=20, head=1024)`, of 15,867,885 parameters, 15,861,773 of them trainable. YAD2K
(https://github.com/allanzelener/YAD2K) prints these numbers.
"""

import keras
from darknet19 import convolution
from keras import layers


def yolo_v2_tiny(input_shape=(416, 416, 3), classes=80, anchors=5, head=512):
    """Return YOLOv2-tiny with random weights.

    The first kernel is that of the layer `conv1`, the last that of `predictions`.

    Args:
        input_shape: height, width and channels; height and width are multiples of 32.
        classes: number of kinds of objects.
        anchors: number of boxes in each cell.
        head: filters of the kernel in front of the last.

    Returns:
        `keras.Model`. Its outputs are those of `yolo_v2`.
    """
    x = inputs = keras.Input(input_shape)
    for i, filters in enumerate((16, 32, 64, 128, 256, 512), start=1):
        x = convolution(x, f"conv{i}", filters, 3)
        # The sixth pool keeps height and width.
        x = layers.MaxPooling2D(2, 2 if i < 6 else 1, "same", name=f"pool{i}")(x)
    x = convolution(x, "conv7", 1024, 3)
    x = convolution(x, "conv8", head, 3)
    outputs = layers.Conv2D(anchors * (5 + classes), 1, name="predictions")(x)
    return keras.Model(inputs, outputs, name="yolo_v2_tiny")
