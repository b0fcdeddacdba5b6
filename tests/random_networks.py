"""Random small networks."""

import keras
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from keras import layers as L

import keras_alt
from keras_alt import QuantizeConfig
from keras_alt.functions import ACTIVATIONS
from keras_alt.quantizer import quantizers

# A network takes a fifth of a second, and JAX compiles each for seconds.
FEW_NETWORKS = settings(
    max_examples=settings().max_examples // 4 if keras.backend.backend() == "tensorflow" else 8
)
# Half of them 8, because engines have kernels of their own for bytes.
WIDTHS = st.one_of(st.just(8), st.integers(2, 8))


@st.composite
def networks(draw):
    """Draw a small network: convolutions of all kinds, merges, pools, ReLUs."""
    x = inputs = keras.Input((6, 6, 2))
    for _ in range(draw(st.integers(1, 3))):
        x = draw(st.sampled_from(BLOCKS))(draw, x)
    if draw(st.booleans()):
        x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(3)(L.Flatten()(x))
    return keras.Model(inputs, x)


def _convolution(draw, x):
    kernel, strides = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding = draw(st.sampled_from(["same", "valid"])) if x.shape[1] >= 3 else "same"
    activation = draw(st.sampled_from([None, "relu", "relu6"]))
    groups = draw(st.sampled_from([1, 2])) if x.shape[-1] % 2 == 0 else 1
    return L.Conv2D(
        4, kernel, strides=strides, padding=padding, activation=activation, groups=groups
    )(x)


def _dilated(draw, x):
    return L.Conv2D(4, 2, dilation_rate=2, padding="same")(x)


def _depthwise(draw, x):
    return L.DepthwiseConv2D(3, padding="same", depth_multiplier=draw(st.integers(1, 2)))(x)


def _transposed(draw, x):
    padding = draw(st.sampled_from(["same", "valid"]))
    return L.Conv2DTranspose(4, draw(st.integers(1, 3)), strides=2, padding=padding)(x)


def _residual(draw, x):
    y = L.Conv2D(x.shape[-1], 3, padding="same")(x)
    return L.ReLU()(L.Add()([x, y])) if draw(st.booleans()) else L.Subtract()([x, y])


def _merged(draw, x):
    kind = draw(st.sampled_from([L.Add, L.Maximum, L.Minimum]))
    activations = draw(st.lists(st.sampled_from([None, "relu"]), min_size=2, max_size=3))
    return kind()([x, *(L.Conv2D(x.shape[-1], 1, activation=a)(x) for a in activations)])


def _branches(draw, x):
    y = L.Conv2D(3, 1, activation=draw(st.sampled_from([None, "relu"])))(x)
    return L.Concatenate()([x, y])


def _pool(draw, x):
    kind = draw(st.sampled_from([L.MaxPooling2D, L.AveragePooling2D]))
    return kind(2, draw(st.integers(1, 2)), padding="same")(x)


def _leaky(draw, x):
    return L.LeakyReLU(negative_slope=draw(st.sampled_from([0.1, 0.25])))(L.Conv2D(4, 1)(x))


def _prelu(draw, x):
    axes = draw(st.sampled_from([None, [1, 2], [3]]))
    slopes = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    return L.PReLU(slopes, shared_axes=axes)(L.Conv2D(4, 1)(x))


def _norm(draw, x):
    return L.BatchNormalization(axis=draw(st.integers(1, 3)))(L.ReLU()(x))


def _enlarged(draw, x):
    size = draw(st.sampled_from([(2, 2), (1, 4)]))
    x = L.UpSampling2D(size, interpolation="bilinear")(L.Conv2D(3, 1)(x))
    return L.MaxPooling2D(size)(x)


def _context(draw, x):
    y, axis = L.Conv2D(x.shape[-1], 1)(x), draw(st.integers(1, 3))
    functions = [keras.ops.max, keras.ops.min, keras.ops.sum, keras.ops.mean]
    wide = draw(st.sampled_from(functions))(y, axis=axis, keepdims=True)
    return L.Add()([x, wide])


def _function(draw, x):
    """Apply a function that becomes a table, if a kernel follows."""
    name = draw(st.sampled_from(sorted(ACTIVATIONS)))
    return L.Activation(name)(L.Conv2D(3, 1)(x))


def _gate(draw, x):
    """Multiply by the values of a second branch, over all, one row or the whole image."""
    axes = draw(st.sampled_from([None, 2, (1, 2)]))
    gate = L.Conv2D(x.shape[-1], 1, activation=draw(st.sampled_from([None, "relu"])))(x)
    if axes is not None:
        gate = keras.ops.max(gate, axis=axes, keepdims=True)
    name = draw(st.sampled_from(["sigmoid", "hard_sigmoid", "tanh", "relu"]))
    return L.Multiply()([x, L.Activation(name)(gate)])


def _matmul(draw, x):
    """Multiply the rows, the columns or the channels of two images."""
    activations = draw(st.tuples(*[st.sampled_from([None, "relu"])] * 2))
    a, b = (L.Conv2D(3, 1, activation=act)(x) for act in activations)
    equation = draw(st.sampled_from(["brcx,brdx->brcd", "brcx,bscx->bxrs", "brcx,brcy->bcxy"]))
    return keras.ops.einsum(equation, a, b)


def _softmax(draw, x):
    """Give the cells of an axis weights, if a kernel follows."""
    y = L.Conv2D(x.shape[-1], 1)(x) * draw(st.sampled_from([1.0, 0.3, 4.0]))
    return L.Multiply()([x, keras.ops.softmax(y, axis=draw(st.integers(1, 3)))])


def _array(draw, x):
    """Merge with an array, if kernels lie in front and behind."""
    shape = [draw(st.sampled_from([1, size])) for size in x.shape[1:]]
    array = np.random.default_rng(draw(st.integers(0, 9))).normal(size=shape).astype("float32")
    merge = draw(st.sampled_from([keras.ops.add, keras.ops.subtract, keras.ops.multiply]))
    return merge(*draw(st.permutations([L.Conv2D(x.shape[-1], 1)(x), array])))


def _moved(draw, x):
    axis = draw(st.integers(1, 3))
    return draw(st.sampled_from(MOVES))(draw, x, axis)


def _sliced(draw, x, axis):
    first, step = draw(st.sampled_from([(None, 2), (1, 1), (-1, 1), (None, -1), (-1, -2)]))
    first = None if x.shape[axis] == 1 else first
    return x[(*[slice(None)] * axis, slice(first, None, step))]


def _taken(draw, x, axis):
    cells = st.integers(-x.shape[axis], x.shape[axis] - 1)
    return keras.ops.take(x, draw(st.lists(cells, min_size=2, max_size=4)), axis=axis)


def _split(draw, x, axis):
    parts = keras.ops.split(x, x.shape[axis], axis=axis)
    return L.Concatenate(axis=axis)([x, *(draw(_CONVOLVED)(part) for part in parts[::-1])])


def _stacked(draw, x, axis):
    stacked = keras.ops.stack([x, draw(_CONVOLVED)(x)], axis=axis)
    return keras.ops.max(stacked, axis=draw(st.integers(axis, axis + 1)))


def _padded(draw, x, axis):
    pairs = [[0, 0] for _ in range(4)]
    pairs[axis] = [draw(st.integers(0, 2)), 1]
    return keras.ops.pad(x, pairs)


def _rolled(draw, x, axis):
    function = draw(st.sampled_from([keras.ops.roll, keras.ops.repeat]))
    return function(x, draw(st.integers(1, 2)), axis=axis)


def _swapped(draw, x, axis):
    return keras.ops.swapaxes(x, axis, draw(st.integers(1, 3)))


# A convolution as wide as its input, or nothing.
_CONVOLVED = st.sampled_from([lambda x: x, lambda x: L.Conv2D(x.shape[-1], 1)(x)])
MOVES = (_sliced, _taken, _split, _stacked, _padded, _rolled, _swapped)
BLOCKS = (
    _convolution,
    _dilated,
    _depthwise,
    _transposed,
    _residual,
    _merged,
    _branches,
    _pool,
    _leaky,
    _prelu,
    _norm,
    _enlarged,
    _context,
    _function,
    _gate,
    _matmul,
    _softmax,
    _array,
    _moved,
)


@st.composite
def quantized_networks(draw, target, activations=WIDTHS):
    """Draw a small network quantized for a target, with random thresholds, and inputs for it."""
    config = QuantizeConfig(
        weights=draw(st.integers(2, 8)),
        activations=draw(activations),
        inputs=draw(activations),
        target=draw(target),
    )
    quantized = keras_alt.quantize_model(draw(networks()), config)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for variable in quantized.weights:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.3, variable.shape))
    for quantizer in quantizers(quantized).values():
        quantizer.set_threshold(2.0 ** rng.uniform(-2, 3))
    return quantized, rng.normal(size=(8, 6, 6, 2)).astype("float32")
