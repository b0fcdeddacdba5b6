"""Models for routing that decide what a function says."""

import numpy as np

from keras_route.data.random_nets import draw_net
from keras_route.models.comparator import scores_of
from keras_route.pins import pins_of


class Decided:
    """Scores whose decisions are the label images that a function makes of images of pins."""

    name = "decided"

    def __init__(self, labels):
        self.labels = labels

    def predict_on_batch(self, images):
        return scores_of(np.asarray(self.labels(images), "float32"))


def layout_rule(images):
    """Return the label image (N, height, width, 8) of each image of pins, as `draw_net` draws."""
    height, width = images.shape[1:3]
    return np.stack([draw_net(net, height, width) for net in pins_of(images)])
