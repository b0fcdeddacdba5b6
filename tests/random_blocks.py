"""Blocks of layers for random networks, on lines, images and volumes.

A block is a function `(draw, x) -> tensor` of a hypothesis `draw` and a symbolic tensor.
"""

import keras
import layer_zoo
import numpy as np
from hypothesis import strategies as st
from keras import layers as L
from keras import ops

from keras_alt.functions import ACTIVATIONS

RELUS = st.sampled_from([None, "relu", "relu6"])
SIGNS = st.sampled_from([None, "relu"])
AXES = {rank: st.integers(1, rank - 1) for rank in (3, 4, 5)}


def layer_of(kind, x):
    """Return the class of Keras for a kind of layer on tensors like `x`: "Conv" gives `Conv2D`."""
    return getattr(L, f"{kind}{len(x.shape) - 2}D")


def axis_of(draw, x):
    return draw(AXES[len(x.shape)])


def pointwise(x, filters=None, activation=None):
    """Convolve by a window of one cell; by default to as many channels as there are."""
    return layer_of("Conv", x)(filters or x.shape[-1], 1, activation=activation)(x)


def convolution(draw, x):
    kernel, strides = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    small = min(x.shape[1:-1]) < 3
    padding = "same" if small else draw(st.sampled_from(["same", "valid"]))
    groups = draw(st.sampled_from([1, 2])) if x.shape[-1] % 2 == 0 else 1
    rules = {"padding": padding, "groups": groups, "activation": draw(RELUS)}
    return layer_of("Conv", x)(4, kernel, strides=strides, **rules)(x)


def dilated(draw, x):
    return layer_of("Conv", x)(4, 2, dilation_rate=2, padding="same")(x)


def causal(draw, x):
    return L.Conv1D(4, draw(st.integers(2, 3)), padding="causal", dilation_rate=2)(x)


def depthwise(draw, x):
    layer = layer_of("DepthwiseConv", x)
    return layer(3, padding="same", depth_multiplier=draw(st.integers(1, 2)))(x)


def separable(draw, x):
    return layer_of("SeparableConv", x)(4, 2, padding="same", activation=draw(SIGNS))(x)


def transposed(draw, x):
    padding = draw(st.sampled_from(["same", "valid"]))
    layer = layer_of("Conv", x).__name__ + "Transpose"
    return getattr(L, layer)(4, draw(st.integers(1, 3)), strides=2, padding=padding)(x)


def dense(draw, x):
    if draw(st.booleans()):
        return L.Dense(4, activation=draw(RELUS))(x)
    axes = "bcdef"[: len(x.shape) - 2]
    shape = (*x.shape[1:-1], 4)
    return L.EinsumDense(f"a{axes}x,xy->a{axes}y", shape, bias_axes="y")(x)


def distributed(draw, x):
    """Apply a layer to each row of an image, or to each step of a line."""
    layers = [lambda: L.Dense(3, activation="relu"), lambda: L.Activation("relu")]
    if len(x.shape) == 4:
        layers.append(lambda: L.Conv1D(4, 2, padding="same"))
        layers.append(lambda: L.AveragePooling1D(2, padding="same"))
    return L.TimeDistributed(draw(st.sampled_from(layers))())(x)


def residual(draw, x):
    y = layer_of("Conv", x)(x.shape[-1], 3, padding="same")(x)
    return L.ReLU()(L.Add()([x, y])) if draw(st.booleans()) else L.Subtract()([x, y])


def merged(draw, x):
    kind = draw(st.sampled_from([L.Add, L.Maximum, L.Minimum, L.Average]))
    activations = draw(st.lists(SIGNS, min_size=1, max_size=3))
    return kind()([x, *(pointwise(x, activation=a) for a in activations)])


def branches(draw, x):
    return L.Concatenate()([x, pointwise(x, 3, draw(SIGNS))])


def pool(draw, x):
    kind = draw(st.sampled_from(["MaxPooling", "AveragePooling"]))
    return layer_of(kind, x)(2, draw(st.integers(1, 2)), padding="same")(x)


def oblong_pool(draw, x):
    size = [draw(st.integers(1, min(n, 3))) for n in x.shape[1:-1]]
    kind = draw(st.sampled_from(["MaxPooling", "AveragePooling"]))
    return layer_of(kind, x)(size, 1, padding="valid")(pointwise(x, 3))


def max_pool(draw, x):
    return layer_of("MaxPooling", x)(2, draw(st.integers(1, 2)), padding="same")(x)


def rectified(draw, x):
    """Apply a ReLU of any kind to a sum."""
    relus = [
        lambda: L.LeakyReLU(negative_slope=0.1),
        lambda: L.LeakyReLU(negative_slope=0.25),
        lambda: L.ReLU(max_value=4.0),
        lambda: L.ReLU(max_value=6.0, negative_slope=0.1),
        lambda: layer_zoo.capped,
    ]
    return draw(st.sampled_from(relus))()(pointwise(x, 4))


def prelu(draw, x):
    space = list(range(1, len(x.shape) - 1))
    axes = draw(st.sampled_from([None, space, [len(x.shape) - 1]]))
    slopes = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    return L.PReLU(slopes, shared_axes=axes)(pointwise(x, 4))


def norm(draw, x):
    x = L.ReLU()(x) if draw(st.booleans()) else pointwise(x, 3)
    return L.BatchNormalization(axis=axis_of(draw, x))(x)


def enlarged(draw, x):
    size = draw(st.sampled_from([(2, 2), (1, 4)]))
    x = L.UpSampling2D(size, interpolation="bilinear")(L.Conv2D(3, 1)(x))
    return L.MaxPooling2D(size)(x)


def resized(draw, x):
    rows, columns = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    interpolation = draw(st.sampled_from(["nearest", "bilinear"]))
    x = L.Conv2D(3, 1)(x)
    return L.Resizing(rows * x.shape[1], columns * x.shape[2], interpolation)(x)


def repeated(draw, x):
    return layer_of("Cropping", x)(1)(layer_of("UpSampling", x)(2)(x))


def bordered(draw, x):
    return layer_of("ZeroPadding", x)(1)(x)


def context(draw, x):
    y, axis = pointwise(x), axis_of(draw, x)
    functions = [ops.max, ops.min, ops.sum, ops.mean]
    wide = draw(st.sampled_from(functions))(y, axis=axis, keepdims=True)
    return L.Add()([x, wide])


def function(draw, x):
    """Apply a function that becomes a table, if a kernel follows."""
    name = draw(st.sampled_from(sorted(ACTIVATIONS)))
    return L.Activation(name)(pointwise(x, 3))


def operator(draw, x):
    """Apply an elementwise operator, or one with a constant for all cells or for each channel."""
    x = pointwise(x, 3)
    vector = np.array([0.5, -1.25, 2.0], "float32")
    operators = [
        lambda: 0.75 * x,
        lambda: x + 0.3,
        lambda: 1.0 - x,
        lambda: -x,
        lambda: x / 3.0,
        lambda: ops.abs(x),
        lambda: ops.square(x),
        lambda: ops.clip(x, -0.5, 1.5),
        lambda: ops.relu6(x),
        lambda: ops.sigmoid(x),
        lambda: x * vector,
        lambda: ops.subtract(vector, x),
    ]
    return draw(st.sampled_from(operators))()


def gate(draw, x):
    """Multiply by the values of a second branch, over all, one row or the whole image."""
    space = tuple(range(1, len(x.shape) - 1))
    axes = draw(st.sampled_from([None, space[-1], space]))
    y = pointwise(x, activation=draw(SIGNS))
    if axes is not None:
        y = draw(st.sampled_from([ops.max, ops.mean]))(y, axis=axes, keepdims=True)
    name = draw(st.sampled_from(["sigmoid", "hard_sigmoid", "tanh", "relu"]))
    return L.Multiply()([x, L.Activation(name)(y)])


def matmul(draw, x):
    """Multiply the rows, the columns or the channels of two images, or of two lines."""
    a, b = (pointwise(x, 3, draw(SIGNS)) for _ in range(2))
    equations = {
        3: ["btx,bsx->bts", "btx,bty->bxy", "btx,bty->byx"],
        4: ["brcx,brdx->brcd", "brcx,bscx->bxrs", "brcx,brcy->bcxy"],
    }
    return ops.einsum(draw(st.sampled_from(equations[len(x.shape)])), a, b)


def dot(draw, x):
    a, b = (pointwise(x, 3, draw(SIGNS)) for _ in range(2))
    return L.Dot(axes=draw(st.integers(1, 2)))([a, b])


def softmax(draw, x):
    """Give the cells of an axis weights."""
    y = pointwise(x) * draw(st.sampled_from([1.0, 0.3, 4.0]))
    return L.Multiply()([x, ops.softmax(y, axis=axis_of(draw, x))])


def attention(draw, x):
    value = _convolved(draw, x)
    return L.Add()([x, L.MultiHeadAttention(2, 2, output_shape=x.shape[-1])(x, value)])


def array(draw, x):
    """Merge with an array between two kernels; in front of a batch norm it stays float."""
    shape = [draw(st.sampled_from([1, size])) for size in x.shape[1:]]
    array = np.random.default_rng(draw(st.integers(0, 9))).normal(size=shape).astype("float32")
    merge = draw(st.sampled_from([ops.add, ops.subtract, ops.multiply]))
    return pointwise(merge(*draw(st.permutations([pointwise(x), array]))))


def noise(draw, x):
    layers = [lambda: L.Dropout(0.5), lambda: L.GaussianNoise(1.0), L.Identity]
    return pointwise(draw(st.sampled_from(layers))()(x), 3)


def moved(draw, x):
    return draw(st.sampled_from(MOVES))(draw, x, axis_of(draw, x))


def _sliced(draw, x, axis):
    first, step = draw(st.sampled_from([(None, 2), (1, 1), (-1, 1), (None, -1), (-1, -2)]))
    first = None if x.shape[axis] == 1 else first
    return x[(*[slice(None)] * axis, slice(first, None, step))]


def _taken(draw, x, axis):
    cells = st.integers(-x.shape[axis], x.shape[axis] - 1)
    return ops.take(x, draw(st.lists(cells, min_size=2, max_size=4)), axis=axis)


def _split(draw, x, axis):
    parts = ops.split(x, x.shape[axis], axis=axis)
    return L.Concatenate(axis=axis)([x, *(_convolved(draw, part) for part in parts[::-1])])


def _stacked(draw, x, axis):
    stacked = ops.stack([x, _convolved(draw, x)], axis=axis)
    return ops.max(stacked, axis=draw(st.integers(axis, axis + 1)))


def _padded(draw, x, axis):
    pairs = [[0, 0] for _ in x.shape]
    pairs[axis] = [draw(st.integers(0, 2)), 1]
    return ops.pad(x, pairs)


def _rolled(draw, x, axis):
    return draw(st.sampled_from([ops.roll, ops.repeat]))(x, draw(st.integers(1, 2)), axis=axis)


def _swapped(draw, x, axis):
    return ops.swapaxes(x, axis, axis_of(draw, x))


def _flattened(draw, x, axis):
    """Reshape to a line and back, with the axes in another order."""
    line = L.Reshape((-1, x.shape[-1]))(x)
    return L.Reshape(x.shape[1:])(L.Permute((2, 1))(line))


def _turned(draw, x, axis):
    axes = (axis, axis % (len(x.shape) - 1) + 1)
    is_square = x.shape[axes[0]] == x.shape[axes[1]]
    # Half a turn of what is not square stays float: Keras on TensorFlow computes it wrongly.
    turns = st.integers(1, 3) if is_square else st.sampled_from([1, 3])
    return ops.rot90(x, draw(turns), axes=axes)


def _convolved(draw, x):
    """Return a convolution as wide as its input, or the input."""
    return pointwise(x) if draw(st.booleans()) else x


MOVES = (*(_sliced, _taken, _split, _stacked, _padded, _rolled, _swapped, _flattened, _turned),)


def layer_norm(draw, x):
    axes = draw(st.sampled_from([-1, [1, -1]]))
    return L.LayerNormalization(axes)(_convolved(draw, x))


def group_norm(draw, x):
    return L.GroupNormalization(2)(pointwise(x, 4))


def normalized(draw, x):
    return L.UnitNormalization()(x)


def loop(draw, x):
    kind = draw(st.sampled_from([L.LSTM, L.GRU, L.SimpleRNN]))
    return kind(3, return_sequences=True)(x)


def wide_softmax(draw, x):
    return L.Softmax((1, -1))(pointwise(x, 3))


def by_three(draw, x):
    """Enlarge an image by weights that are thirds."""
    return L.UpSampling2D(3, interpolation="bilinear")(L.Conv2D(2, 1)(x))


# Blocks in integers, by the rank of the tensor.
ANYWHERE = (
    *(convolution, dilated, dense, residual, merged, branches, max_pool, rectified, prelu, norm),
    *(repeated, bordered, context, function, operator, gate, softmax, array, noise, moved),
)
BLOCKS = {
    3: (
        *(*ANYWHERE, causal, depthwise, separable, transposed, distributed, pool, matmul, dot),
        attention,
    ),
    4: (
        *(*ANYWHERE, depthwise, separable, transposed, distributed, pool, oblong_pool),
        *(enlarged, resized, matmul),
    ),
    5: ANYWHERE,
}
# Blocks with a float layer, which become an island between kernels.
ISLANDS = {
    3: (layer_norm, group_norm, wide_softmax, normalized, loop),
    4: (layer_norm, group_norm, wide_softmax, normalized, by_three),
    5: (layer_norm, group_norm, wide_softmax, normalized),
}
