"""The network that sees the whole window, along its rows and its columns."""

import keras
import numpy as np
from keras import layers, ops

from keras_route.models.comparator import SCORES
from keras_route.models.presets import from_preset


@keras.saving.register_keras_serializable(package="keras_route")
class Router(keras.Model):
    """A fully convolutional network in which every pixel sees the whole window.

    A layout rule asks questions along an axis: how far the net reaches, where its middle is, which
    pins lie above. The network has three parts:

    1. Two convolutions as long as the window look at the pins from every pixel, one along the
       columns and one along the rows.
    2. The maxima of both over the axis describe each column and each row. `line_blocks` residual
       blocks work on these two lines of descriptors. A line has one dimension, so this is cheap.
       The two lines exchange a maximum over the window.
    3. Each pixel joins its own features with the descriptors of its column and its row.
       `pixel_blocks` residual blocks of 1x1 convolutions work on the pixels, and a last
       convolution returns the scores.

    The network consists of convolutions, additions, maxima over an axis and ReLU. It has no batch
    norm. So `keras_alt` quantizes all of it to integers.

    Input: (batch, height, width, 1), 1 where a pin is. Output: scores (batch, height, width, 16),
    off and on of each layer in turn; see `keras_route.models.comparator.decide`.

    Args:
        reach: length of the convolutions along an axis, odd. With twice the window less one, every
            pixel sees every other.
        stem: channels of the first two convolutions.
        lines: channels of the descriptors of rows and columns.
        features: channels of the pixels.
        line_blocks: residual blocks on the descriptors.
        pixel_blocks: residual blocks on the pixels.
        name: of the model.
    """

    def __init__(
        self,
        reach: int = 63,
        stem: int = 8,
        lines: int = 48,
        features: int = 32,
        line_blocks: int = 3,
        pixel_blocks: int = 2,
        name: str = "router",
        **kwargs,
    ):
        check_reach(reach)
        super().__init__(name=name, **kwargs)
        self.sizes = {
            "reach": reach,
            "stem": stem,
            "lines": lines,
            "features": features,
            "line_blocks": line_blocks,
            "pixel_blocks": pixel_blocks,
        }
        self.columns = _convolution(stem, "columns", (reach, 1))
        self.rows = _convolution(stem, "rows", (1, reach))
        self.column_lines = _convolution(lines, "column_lines")
        self.row_lines = _convolution(lines, "row_lines")
        self.line_blocks = [LineBlock(lines, reach, name=f"line_{i}") for i in range(line_blocks)]
        self.from_columns = _convolution(features, "from_columns")
        self.from_rows = _convolution(features, "from_rows")
        self.from_column_lines = _convolution(features, "from_column_lines")
        self.from_row_lines = _convolution(features, "from_row_lines")
        self.pixel_blocks = [PixelBlock(features, name=f"pixel_{i}") for i in range(pixel_blocks)]
        self.scores = layers.Conv2D(SCORES, 1, name="scores")
        # Variables do not depend on the size of the image; a quantized network gets this window.
        self.build((None, (reach + 1) // 2, (reach + 1) // 2, 1))

    from_preset = classmethod(from_preset)

    @classmethod
    def for_window(cls, height: int, width: int) -> keras.Model:
        """Return a new network in which every pixel of such a window sees every other."""
        return cls(reach=2 * max(height, width) - 1)

    def build(self, input_shape):
        self.call(keras.KerasTensor(input_shape))
        self.built = True

    def call(self, pins):
        pins = ops.cast(pins, self.compute_dtype)
        columns = ops.relu(_along(self.columns, pins))
        rows = ops.relu(_along(self.rows, pins))
        column_lines = ops.relu(self.column_lines(ops.max(columns, axis=1, keepdims=True)))
        row_lines = ops.relu(self.row_lines(ops.max(rows, axis=2, keepdims=True)))
        for block in self.line_blocks:
            column_lines, row_lines = block(column_lines, row_lines)
        lines = ops.add(self.from_column_lines(column_lines), self.from_row_lines(row_lines))
        x = ops.relu(ops.add(ops.add(self.from_columns(columns), self.from_rows(rows)), lines))
        for block in self.pixel_blocks:
            x = block(x)
        return self.scores(x)

    def get_config(self):
        return {**self.sizes, "name": self.name, "trainable": self.trainable}


@keras.saving.register_keras_serializable(package="keras_route")
class LineBlock(keras.layers.Layer):
    """A residual block on the descriptors of columns and rows, with an exchange between them.

    Args:
        lines: channels of the descriptors.
        reach: length of the convolutions.
    """

    def __init__(self, lines: int, reach: int, **kwargs):
        super().__init__(**kwargs)
        self.lines = lines
        self.reach = reach
        for side, size in (("column", (1, reach)), ("row", (reach, 1))):
            context = layers.DepthwiseConv2D(
                size,
                padding="same",
                # Of the length alone, because Keras counts all channels as the fan-in.
                depthwise_initializer=keras.initializers.RandomNormal(stddev=reach**-0.5),
                name=f"{side}_context",
            )
            setattr(self, context.name, context)
            for role in ("to_window", "mix", "from_window", "update"):
                setattr(self, f"{side}_{role}", _convolution(lines, f"{side}_{role}"))

    def build(self, columns_shape, rows_shape):
        self.built = True

    def call(self, columns, rows):
        window = ops.relu(
            ops.add(
                self.column_to_window(ops.max(columns, axis=2, keepdims=True)),
                self.row_to_window(ops.max(rows, axis=1, keepdims=True)),
            )
        )
        return self._updated("column", columns, window), self._updated("row", rows, window)

    def _updated(self, side, lines, window):
        """Return one line of descriptors, updated from the line itself and from the window."""
        context, mix, from_window, update = (
            getattr(self, f"{side}_{role}") for role in ("context", "mix", "from_window", "update")
        )
        x = ops.add(mix(context(lines)), from_window(window))
        return ops.relu(ops.add(lines, update(ops.relu(x))))

    def get_config(self):
        return {**super().get_config(), "lines": self.lines, "reach": self.reach}


@keras.saving.register_keras_serializable(package="keras_route")
class PixelBlock(keras.layers.Layer):
    """Two 1x1 convolutions beside the identity.

    Args:
        features: channels.
    """

    def __init__(self, features: int, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.mix = _convolution(features, "mix")
        self.update = _convolution(features, "update", kernel_initializer="zeros")

    def build(self, shape):
        self.built = True

    def call(self, x):
        return ops.relu(ops.add(x, self.update(ops.relu(self.mix(x)))))

    def get_config(self):
        return {**super().get_config(), "features": self.features}


def check_reach(reach: int) -> None:
    """Raise an error if a convolution of this length does not see as far on both sides."""
    if reach < 1 or reach % 2 == 0:
        raise ValueError(
            "`reach` must be an odd length, so that a pixel sees as far on both sides. "
            f"Received: reach={reach}"
        )


def _convolution(filters, name, size=1, kernel_initializer="he_normal"):
    return layers.Conv2D(
        filters, size, padding="same", kernel_initializer=kernel_initializer, name=name
    )


def _along(convolution, pins):
    """Apply a convolution along one axis to an image of one channel.

    On data, this is one product with the matrix of the convolution, which takes a sixth of the time
    of TensorFlow's kernel for this shape. On symbolic tensors, in a summary or a transform of the
    model, this calls the layer.
    """
    axis = 1 if convolution.kernel_size[0] > 1 else 2
    length = pins.shape[axis]
    if isinstance(pins, keras.KerasTensor) or length is None:
        return convolution(pins)
    matrix = _matrix(ops.reshape(convolution.kernel, (-1, convolution.filters)), length)
    equation = "nhw,hyc->nywc" if axis == 1 else "nhw,wxc->nhxc"
    return ops.add(ops.einsum(equation, pins[..., 0], matrix), convolution.bias)


def _matrix(kernel, length):
    """Return the (length, length, channels) matrix of a convolution with zeros beyond the ends."""
    half = kernel.shape[0] // 2
    offset = np.arange(length)[:, None] - np.arange(length)[None, :] + half
    inside = (offset >= 0) & (offset < kernel.shape[0])
    taps = ops.take(kernel, np.clip(offset, 0, kernel.shape[0] - 1), axis=0)
    return taps * ops.cast(inside[..., None], kernel.dtype)
