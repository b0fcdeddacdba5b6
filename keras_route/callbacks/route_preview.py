"""Pictures of a router's predictions while it trains."""

import os

import keras
from keras import ops

from keras_route.layout import pictures
from keras_route.models.comparator import decide


class RoutePreview(keras.callbacks.Callback):
    """Draws actual nets, with the model's decisions below them, as `<folder>/epoch_0001.png`.

    Args:
        x: images of pins (count, height, width, 1); nine make a readable picture.
        y: their labels (count, height, width, 8).
        folder: for the pictures; created if it does not exist.
        every: epochs from one picture to the next; the first and the last epoch get one, too.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the shapes do not fit, or `every` is not positive.
    """

    def __init__(self, x, y, folder: str | os.PathLike, every: int = 1):
        super().__init__()
        if len(x) != len(y) or every < 1:
            raise ValueError(
                "Every image of pins needs its labels, and `every` must be 1 or more. "
                f"Received: {len(x)} images, {len(y)} labels, every={every}"
            )
        pictures.figure(y, y)  # an error appears here, not after an epoch
        self.x = x
        self.y = y
        self.folder = folder
        self.every = every

    def on_train_begin(self, logs=None):
        os.makedirs(self.folder, exist_ok=True)

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done == 1 or done % self.every == 0 or done == self.params.get("epochs"):
            predicted = ops.convert_to_numpy(decide(self.model(self.x, training=False)))
            path = os.path.join(self.folder, f"epoch_{done:04d}.png")
            pictures.write_comparison(self.y, predicted, path)
