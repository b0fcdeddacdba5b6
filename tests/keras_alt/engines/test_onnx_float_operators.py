"""An operator of Keras in an ONNX file is the same function as in Keras."""

import keras
import numpy as np
import pytest
from keras import ops
from onnx_floats import EVERY_OPSET, IMAGE, assert_same

pytestmark = pytest.mark.tensorflow_only
ONES = np.ones((4, 3), "float32")
OPERATORS = {
    "arithmetic": lambda x: (2.0 - x) * x / (ops.abs(x) + 1.0),
    "powers": lambda x: ops.power(ops.abs(x) + 0.1, 1.5) + ops.square(x) + x**2,
    "modulo": lambda x: x % 0.7 + x // 0.7,
    "exponentials": lambda x: ops.exp(x) + ops.expm1(x) + ops.log(ops.abs(x) + 1) + ops.log1p(x**2),
    "roots": lambda x: ops.sqrt(ops.abs(x)) + ops.rsqrt(ops.abs(x) + 1) + ops.reciprocal(x**2 + 1),
    "angles": lambda x: ops.sin(x) + ops.cos(x) + ops.arctan(x) + ops.tanh(x) + ops.erf(x),
    "rounding": lambda x: (
        ops.round(x * 4) + ops.floor(x) + ops.ceil(x) + ops.sign(x) - ops.trunc(x)
    ),
    "clip": lambda x: ops.clip(x, -0.5, 0.5),
    "choices": lambda x: ops.where(x > 0, x, -1.0) + ops.maximum(x, 0.3) - ops.minimum(x, -0.2),
    "logic": lambda x: ops.logical_and(x > 0, ops.logical_or(x < 1, ops.not_equal(x, 2))),
    "types": lambda x: ops.cast(x * 3, "int32") + 1,
    "mean": lambda x: ops.mean(x, axis=(1, 2)),
    "sum": lambda x: ops.sum(x, axis=-1, keepdims=True) / ops.sum(x**2, axis=1, keepdims=True),
    "maximum": lambda x: ops.max(x, axis=1) - ops.min(x, axis=1),
    "maximum with a bound": lambda x: ops.max(x, axis=1, initial=0.5),
    "product": lambda x: ops.prod(x, axis=1),
    "deviation": lambda x: ops.std(x, axis=1) + ops.var(x, axis=1),
    "moments": lambda x: ops.moments(x, axes=[1, 2]),
    "any and all": lambda x: [ops.any(x > 1, axis=1), ops.all(x > -1, axis=1)],
    "logsumexp": lambda x: ops.logsumexp(x, axis=-1),
    "norm": lambda x: ops.norm(x, axis=-1) + ops.norm(x, ord=1, axis=-1),
    "argmax": lambda x: [ops.argmax(x, axis=-1), ops.argmin(x, axis=1, keepdims=True)],
    "top k": lambda x: ops.top_k(x, 2),
    "sort": lambda x: [ops.sort(x, axis=1), ops.argsort(x, axis=-1)],
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "items": lambda x: [x[:, 1], x[..., -1], x[:, ::2, 1:3], x[:, ::-1, None, :1], x[:, -3:-1, -2]],
    "slice": lambda x: ops.slice(x, (0, 1, 1, 0), (3, 2, 3, 4)),
    "squeeze": lambda x: [ops.squeeze(ops.expand_dims(x, 2), 2), ops.squeeze(x[:, :1], 1)],
    "transpose": lambda x: [ops.transpose(x, (0, 3, 1, 2)), ops.moveaxis(x, 1, -1)],
    "swapaxes": lambda x: ops.swapaxes(x, 1, -1),
    "stack": lambda x: ops.stack([x, x + 1], axis=-2),
    "unstack": lambda x: ops.unstack(x, axis=1)[:2],
    "split": lambda x: [*ops.split(x, 2, axis=-1), *ops.split(x, [1, 3], axis=1)],
    "concatenate": lambda x: ops.concatenate([x, x[:, :2]], axis=1),
    "reshape": lambda x: ops.reshape(x, (-1, 24, 8)),
    "flip": lambda x: ops.flip(x, axis=1) + ops.roll(x, 2, axis=2),
    "repeat": lambda x: [ops.repeat(x, 2, axis=1), ops.repeat(x, 3, axis=-1)],
    "tile": lambda x: ops.tile(x, (1, 2, 1, 3)),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), constant_values=0.5),
    "pad by reflection": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect"),
    "take": lambda x: ops.take(x, [2, 0, 0], axis=1),
    "take along an axis": lambda x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
    "one hot": lambda x: ops.one_hot(ops.cast(x * 2, "int32"), 3),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))),
    "dot": lambda x: [ops.dot(x, ONES), ops.tensordot(x, ONES, 1), ops.tensordot(x, x[0], 3)],
    "einsum": lambda x: ops.einsum("bijc,bkjc->bik", x, x),
    "triangle": lambda x: ops.tril(x) + ops.triu(x, 1),
    "differences": lambda x: ops.diff(x, axis=1),
    "likes": lambda x: ops.ones_like(x) + ops.zeros_like(x) + ops.full_like(x, 3),
    "softmax": lambda x: ops.softmax(x, axis=1) + ops.softmax(x),
    "normalize": lambda x: ops.normalize(x, axis=-1) + ops.normalize(x, axis=1, order=1),
    "layer norm": lambda x: ops.layer_normalization(x, axis=-1),
    "resize": lambda x: ops.image.resize(x, (3, 4)),
    "resize smoothly": lambda x: ops.image.resize(x, (12, 16), interpolation="bicubic"),
    "resize without aliases": lambda x: ops.image.resize(x, (3, 4), antialias=True),
    "resize by a window": lambda x: ops.image.resize(x, (5, 17), interpolation="lanczos3"),
    "crop and pad": lambda x: [
        ops.image.crop_images(x, top_cropping=1, left_cropping=2, target_height=3, target_width=4),
        ops.image.pad_images(
            x, bottom_padding=1, right_padding=2, target_height=9, target_width=12
        ),
    ],
    "gray": lambda x: ops.image.rgb_to_grayscale(x[..., :3]),
    "patches": lambda x: ops.image.extract_patches(x, (2, 3), strides=(1, 2), padding="same"),
    "angle of a point": lambda x: ops.arctan2(x, x[:, ::-1]),
    "numbers for NaN": lambda x: [
        ops.nan_to_num(1 / ops.floor(x)),
        ops.nanmean(ops.log(x), axis=1),
    ],
    "first that holds": lambda x: ops.select([x > 1, x > 0], [x, x * 2], -1.0),
    "close": lambda x: [
        ops.isclose(x, x + 1e-7),
        ops.heaviside(x, x),
        ops.fmod(x, ops.abs(x[:, :1])),
    ],
    "max pool": lambda x: ops.max_pool(x, 2, 2),
    "conv": lambda x: ops.conv(x, np.ones((2, 2, 4, 3), "float32"), padding="same"),
    "depth to space": lambda x: ops.nn.depth_to_space(x, 2),
    "space to depth": lambda x: ops.nn.space_to_depth(x, 2),
    "gelu": lambda x: ops.gelu(x, approximate=True) + ops.glu(x, axis=-1)[..., :1],
    "average": lambda x: ops.average(x, axis=1, weights=ops.abs(x)),
}


@pytest.mark.parametrize("kind", OPERATORS)
@EVERY_OPSET
def test_operators(kind, writer, rng):
    inputs = keras.Input(IMAGE)
    assert_same(keras.Model(inputs, OPERATORS[kind](inputs)), rng, writer)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_sizes_that_do_not_divide(interpolation, rng):
    """The nearest pixel is the same one wherever it is found by rounding."""
    inputs = keras.Input((9, 12, 2))
    sizes = [(7, 5), (3, 4), (27, 24), (14, 15), (18, 6)]
    outputs = [ops.image.resize(inputs, s, interpolation=interpolation) for s in sizes]
    assert_same(keras.Model(inputs, outputs), rng)
