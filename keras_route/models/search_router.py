"""The network that marks, beside obstacles, the pixels of cheapest routes."""

import keras
from keras import layers, ops

from keras_route.models.comparator import SCORES
from keras_route.models.presets import from_preset
from keras_route.models.router import _along, check_reach
from keras_route.technology.layers import METALS

CHANNELS = 1 + len(METALS)


@keras.saving.register_keras_serializable(package="keras_route")
class SearchRouter(keras.Model):
    """A network that says where the search for a cheapest route needs to look.

    Two convolutions as long as the window look at the pins from every pixel, along its column and
    along its row. They join the image at half its size. There, and at a quarter and an eighth of
    the size, residual blocks look at the surroundings; the smaller images carry what is far away.
    Images of a size are added on the way back up (Ronneberger et al., 2015, concatenate them).

    The network consists of convolutions, additions, a concatenation and ReLU. So `keras_alt`
    quantizes all of it to integers.

    Input: (batch, height, width, 5): 1 where a pin is, and 1 where m3, m4, m5 and m6 are blocked.
    Height and width are multiples of 8. Output: scores (batch, height, width, 16), off and on of
    each layer in turn; see `keras_route.models.comparator.decide`.

    Args:
        reach: length of the convolutions along an axis, odd. With twice the window less one, every
            pixel sees every other.
        stem: channels of these two convolutions.
        features: channels at a half, a quarter and an eighth of the size.
        blocks: residual blocks at each size, on the way down and again on the way up.
        name: of the model.
    """

    def __init__(
        self,
        reach: int = 63,
        stem: int = 8,
        features: tuple[int, int, int] = (24, 32, 48),
        blocks: tuple[int, int, int] = (1, 1, 2),
        name: str = "search_router",
        **kwargs,
    ):
        check_reach(reach)
        super().__init__(name=name, **kwargs)
        self.sizes = {
            "reach": reach,
            "stem": stem,
            "features": list(features),
            "blocks": list(blocks),
        }
        self.columns = _convolution(stem, "columns", (reach, 1))
        self.rows = _convolution(stem, "rows", (1, reach))
        self.down = [
            layers.Conv2D(f, 2, 2, kernel_initializer="he_normal", name=f"down_{i}")
            for i, f in enumerate(features)
        ]
        self.blocks_down = _blocks(features, blocks, "block_down")
        self.blocks_up = _blocks(features[:-1], blocks, "block_up")
        self.up = [
            layers.Conv2DTranspose(f, 2, 2, kernel_initializer="he_normal", name=f"up_{i}")
            for i, f in enumerate(features[:-1])
        ]
        self.scores = layers.Conv2DTranspose(SCORES, 2, 2, name="scores")
        # Variables do not depend on the size of the image; a quantized network gets this window.
        self.build((None, (reach + 1) // 2, (reach + 1) // 2, CHANNELS))

    from_preset = classmethod(from_preset)
    channels = CHANNELS

    @classmethod
    def for_window(cls, height: int, width: int) -> keras.Model:
        """Return a new network whose pixels see all pins of their columns and rows."""
        return cls(reach=2 * max(height, width) - 1)

    def build(self, input_shape):
        self.call(keras.KerasTensor(input_shape))
        self.built = True

    def call(self, images):
        images = ops.cast(images, self.compute_dtype)
        pins = images[..., :1]
        columns = ops.relu(_along(self.columns, pins))
        rows = ops.relu(_along(self.rows, pins))
        x = ops.concatenate([images, columns, rows], axis=-1)
        sizes = []
        for down, blocks in zip(self.down, self.blocks_down, strict=True):
            x = ops.relu(down(x))
            for block in blocks:
                x = block(x)
            sizes.append(x)
        for i in reversed(range(len(self.up))):
            x = ops.relu(ops.add(sizes[i], self.up[i](x)))
            for block in self.blocks_up[i]:
                x = block(x)
        return self.scores(x)

    def get_config(self):
        return {**self.sizes, "name": self.name, "trainable": self.trainable}


@keras.saving.register_keras_serializable(package="keras_route")
class SurroundingsBlock(keras.layers.Layer):
    """A 3x3 convolution and one of 1x1 beside the identity.

    Args:
        features: channels.
    """

    def __init__(self, features: int, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.look = _convolution(features, "look", 3)
        self.update = _convolution(features, "update", kernel_initializer="zeros")

    def build(self, shape):
        self.built = True

    def call(self, x):
        return ops.relu(ops.add(x, self.update(ops.relu(self.look(x)))))

    def get_config(self):
        return {**super().get_config(), "features": self.features}


def _blocks(features, blocks, name):
    """Return the residual blocks of each size."""
    return [
        [SurroundingsBlock(f, name=f"{name}_{i}_{j}") for j in range(count)]
        for i, (f, count) in enumerate(zip(features, blocks, strict=False))
    ]


def _convolution(filters, name, size=1, kernel_initializer="he_normal"):
    return layers.Conv2D(
        filters, size, padding="same", kernel_initializer=kernel_initializer, name=name
    )
