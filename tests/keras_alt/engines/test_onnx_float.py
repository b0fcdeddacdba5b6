"""A float layer in an ONNX file is the same function as in Keras."""

import types

import keras
import numpy as np
import pytest
from alone import run_alone
from conftest import randomize
from keras import layers as L
from keras import ops

import keras_alt
from keras_alt.engines.onnx_float.types import element_type, input_type
from keras_alt.engines.onnxruntime.export import QDQWriter
from keras_alt.engines.qonnx.export import QuantWriter
from keras_alt.export import ExportError, to_onnx
from keras_alt.integer.program import Program

onnx = pytest.importorskip("onnx", reason="the `onnx` extra is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the `onnx` extra is not installed")
pytestmark = pytest.mark.tensorflow_only
INPUTS = {"float32": "float", "int64": "int64"}
OPSETS = {"onnx": QDQWriter, "qonnx": QuantWriter}


def written(model, cls=QDQWriter):
    """Return an ONNX model of float layers alone."""
    helper = onnx.helper
    writer = cls(types.SimpleNamespace(program=Program("float")))
    names = {id(tensor): f"input{i}" for i, tensor in enumerate(model.inputs)}
    infos = [
        helper.make_tensor_value_info(
            names[id(t)], element_type(input_type(t)), ("batch", *t.shape[1:])
        )
        for t in model.inputs
    ]
    floats = writer.float_layers(model, names)
    results = [
        helper.make_tensor_value_info(
            floats.add("Identity", floats.operand(t)), element_type(t.dtype), (None, *t.shape[1:])
        )
        for t in model.outputs
    ]
    graph = helper.make_graph(writer.nodes, "float", infos, results, writer.initializers)
    opsets = [helper.make_opsetid("", writer.opsets[""])]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def assert_same(model, rng, cls=QDQWriter, arrays=None, atol=1e-5):
    """Compare every output of a float model with that of its ONNX nodes."""
    arrays = [drawn(t, rng) for t in model.inputs] if arrays is None else arrays
    proto = written(model, cls)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {
        f"input{i}": a.astype(input_type(t))
        for i, (a, t) in enumerate(zip(arrays, model.inputs, strict=True))
    }
    computed = session.run(None, feed)
    expected = keras.tree.flatten(model(arrays if len(arrays) > 1 else arrays[0], training=False))
    for one, other, tensor in zip(computed, expected, model.outputs, strict=True):
        other = np.asarray(ops.convert_to_numpy(other))
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=atol, rtol=1e-4, err_msg=tensor.name)


def drawn(tensor, rng):
    shape = (3, *[5 if n is None else n for n in tensor.shape[1:]])
    if "int" in tensor.dtype:
        return rng.integers(0, 6, shape).astype(tensor.dtype)
    return rng.normal(size=shape).astype("float32")


IMAGE, LINE, SERIES, VOLUME = (6, 8, 4), (8,), (7, 4), (4, 6, 5, 2)


def activations():
    plain = (
        "relu relu6 leaky_relu elu selu celu silu gelu softplus softsign sigmoid tanh hard_sigmoid "
        "hard_silu mish log_softmax softmax exponential linear log_sigmoid hard_tanh hard_shrink "
        "soft_shrink tanh_shrink squareplus sparse_plus sparse_sigmoid"
    )
    return {name: (LINE, L.Activation(name)) for name in plain.split()}


LAYERS = {
    **activations(),
    "softmax over two axes": (IMAGE, L.Softmax(axis=(1, 2))),
    "softmax over one axis": (IMAGE, L.Softmax(axis=1)),
    "relu with arguments": (LINE, L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)),
    "leaky relu": (LINE, L.LeakyReLU(negative_slope=0.3)),
    "prelu": (IMAGE, L.PReLU(shared_axes=[1, 2])),
    "elu": (LINE, L.ELU(alpha=0.7)),
    "reshape": (IMAGE, L.Reshape((48, -1))),
    "flatten": (IMAGE, L.Flatten()),
    "flatten, channels first": (IMAGE, L.Flatten(data_format="channels_first")),
    "permute": (IMAGE, L.Permute((3, 1, 2))),
    "repeat vector": (LINE, L.RepeatVector(3)),
    "upsampling 1d": (SERIES, L.UpSampling1D(3)),
    "upsampling 2d": (IMAGE, L.UpSampling2D((2, 3))),
    "upsampling bilinear": (IMAGE, L.UpSampling2D((2, 3), interpolation="bilinear")),
    "upsampling bicubic": (IMAGE, L.UpSampling2D(2, interpolation="bicubic")),
    "upsampling 3d": (VOLUME, L.UpSampling3D((1, 2, 3))),
    "resizing larger": (IMAGE, L.Resizing(9, 11)),
    "resizing smaller": (IMAGE, L.Resizing(4, 5)),
    "resizing nearest": (IMAGE, L.Resizing(9, 5, interpolation="nearest")),
    "center crop": (IMAGE, L.CenterCrop(3, 4)),
    "cropping 1d": (SERIES, L.Cropping1D((1, 2))),
    "cropping 2d": (IMAGE, L.Cropping2D(((1, 2), (0, 1)))),
    "cropping 3d": (VOLUME, L.Cropping3D(1)),
    "zero padding 1d": (SERIES, L.ZeroPadding1D((1, 2))),
    "zero padding 2d": (IMAGE, L.ZeroPadding2D(((1, 2), (0, 1)))),
    "zero padding 3d": (VOLUME, L.ZeroPadding3D(1)),
    "global max pool 1d": (SERIES, L.GlobalMaxPooling1D()),
    "global max pool 2d": (IMAGE, L.GlobalMaxPooling2D(keepdims=True)),
    "global average pool 1d": (SERIES, L.GlobalAveragePooling1D()),
    "global average pool 2d": (IMAGE, L.GlobalAveragePooling2D()),
    "global average pool 3d": (VOLUME, L.GlobalAveragePooling3D()),
    "max pool 1d": (SERIES, L.MaxPooling1D(3, 2, padding="same")),
    "max pool 2d": (IMAGE, L.MaxPooling2D((3, 2), 2, padding="same")),
    "max pool 3d": (VOLUME, L.MaxPooling3D(2)),
    "average pool 1d": (SERIES, L.AveragePooling1D(3, 2, padding="same")),
    "average pool 2d": (IMAGE, L.AveragePooling2D(3, 2, padding="same")),
    "average pool 3d": (VOLUME, L.AveragePooling3D(2, padding="same")),
    "batch norm": (IMAGE, L.BatchNormalization()),
    "batch norm of axis 1": (IMAGE, L.BatchNormalization(axis=1, scale=False)),
    "layer norm": (SERIES, L.LayerNormalization()),
    "layer norm of two axes": (IMAGE, L.LayerNormalization(axis=(1, 3), center=False)),
    "layer norm by deviation": (SERIES, L.LayerNormalization(rms_scaling=True)),
    "group norm": (IMAGE, L.GroupNormalization(2)),
    "unit norm": (IMAGE, L.UnitNormalization(axis=-1)),
    "rms norm": (SERIES, L.RMSNormalization()),
    "normalization": (LINE, L.Normalization(mean=0.3, variance=2.0)),
    "normalization inverted": (LINE, L.Normalization(mean=0.3, variance=2.0, invert=True)),
    "rescaling": (IMAGE, L.Rescaling(1 / 3, -0.5)),
    "dropout": (LINE, L.Dropout(0.5)),
    "noise": (LINE, L.GaussianNoise(0.5)),
    "random flip": (IMAGE, L.RandomFlip()),
    "random rotation": (IMAGE, L.RandomRotation(0.2)),
    "random brightness": (IMAGE, L.RandomBrightness(0.2)),
    "dense": (IMAGE, L.Dense(5, activation="tanh")),
    "einsum dense": (SERIES, L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")),
    "conv 1d": (SERIES, L.Conv1D(5, 3, padding="same", dilation_rate=2, activation="elu")),
    "conv 1d causal": (SERIES, L.Conv1D(5, 3, padding="causal", dilation_rate=2)),
    "conv 2d": (IMAGE, L.Conv2D(6, (3, 2), strides=2, padding="same")),
    "conv 2d in groups": (IMAGE, L.Conv2D(6, 3, groups=2, use_bias=False)),
    "conv 2d with mish": (IMAGE, L.Conv2D(6, 3, activation="mish")),
    "dense with hard silu": (LINE, L.Dense(6, activation="hard_silu")),
    "conv 3d": (VOLUME, L.Conv3D(3, 2, padding="same")),
    "depthwise conv 1d": (SERIES, L.DepthwiseConv1D(3, depth_multiplier=2)),
    "depthwise conv 2d": (IMAGE, L.DepthwiseConv2D(3, strides=2, padding="same")),
    "depthwise conv multiplied": (IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable conv 1d": (SERIES, L.SeparableConv1D(5, 3)),
    "separable conv 2d": (IMAGE, L.SeparableConv2D(5, 3, padding="same", strides=2)),
    "conv transposed 1d": (SERIES, L.Conv1DTranspose(5, 3, strides=2, padding="same")),
    "conv transposed 2d": (IMAGE, L.Conv2DTranspose(5, 3, strides=2)),
    "conv transposed same": (IMAGE, L.Conv2DTranspose(5, (2, 4), strides=3, padding="same")),
    "conv transposed longer": (
        IMAGE,
        L.Conv2DTranspose(5, 3, strides=2, padding="same", output_padding=1),
    ),
    "conv transposed 3d": (VOLUME, L.Conv3DTranspose(2, 3, strides=2, padding="same")),
    "lstm": (SERIES, L.LSTM(5)),
    "lstm of sequences": (SERIES, L.LSTM(5, return_sequences=True, return_state=True)),
    "lstm backwards": (SERIES, L.LSTM(5, return_sequences=True, go_backwards=True)),
    "lstm with other gates": (
        SERIES,
        L.LSTM(5, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False),
    ),
    "lstm with gates unknown to ONNX": (SERIES, L.LSTM(5, activation="silu")),
    "gru": (SERIES, L.GRU(5, return_sequences=True, return_state=True)),
    "gru that resets before": (SERIES, L.GRU(5, reset_after=False)),
    "simple rnn": (SERIES, L.SimpleRNN(5, return_state=True)),
    "simple rnn with relu": (SERIES, L.SimpleRNN(5, activation="relu", return_sequences=True)),
    "bidirectional lstm": (SERIES, L.Bidirectional(L.LSTM(5, return_sequences=True))),
    "bidirectional gru": (SERIES, L.Bidirectional(L.GRU(5), merge_mode="sum")),
    "bidirectional with states": (SERIES, L.Bidirectional(L.GRU(5, return_state=True))),
    "stacked cells": (SERIES, L.RNN([L.LSTMCell(5), L.GRUCell(3)], return_sequences=True)),
    "time distributed": (SERIES, L.TimeDistributed(L.Dense(5, activation="relu"))),
    "time distributed images": ((3, *IMAGE), L.TimeDistributed(L.Conv2D(2, 3))),
    "network": (SERIES, keras.Sequential([L.Dense(5, "relu"), L.Dense(3, "softmax")])),
    "lambda": (LINE, L.Lambda(lambda x: ops.square(x) + 1)),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("cls", OPSETS.values(), ids=OPSETS)
def test_layers(kind, cls, rng):
    shape, layer = LAYERS[kind]
    layer = type(layer).from_config(layer.get_config()) if kind != "lambda" else layer
    inputs = keras.Input(shape)
    assert_same(randomize(keras.Model(inputs, layer(inputs)), rng), rng, cls)


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
    "max pool": lambda x: ops.max_pool(x, 2, 2),
    "conv": lambda x: ops.conv(x, np.ones((2, 2, 4, 3), "float32"), padding="same"),
    "depth to space": lambda x: ops.nn.depth_to_space(x, 2),
    "space to depth": lambda x: ops.nn.space_to_depth(x, 2),
    "gelu": lambda x: ops.gelu(x, approximate=True) + ops.glu(x, axis=-1)[..., :1],
    "average": lambda x: ops.average(x, axis=1, weights=ops.abs(x)),
}


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("cls", OPSETS.values(), ids=OPSETS)
def test_operators(kind, cls, rng):
    inputs = keras.Input(IMAGE)
    assert_same(keras.Model(inputs, OPERATORS[kind](inputs)), rng, cls)


def two(shape=SERIES):
    return [keras.Input(shape), keras.Input(shape)]


def attention(**options):
    query, value = two()
    mask = options.pop("mask", None)
    layer = L.MultiHeadAttention(2, 3)
    mask = None if mask is None else mask(query)
    return keras.Model([query, value], layer(query, value, attention_mask=mask, **options))


def grouped_attention():
    query, value = two()
    return keras.Model([query, value], L.GroupQueryAttention(4, 4, 2)(query, value))


def simple_attention():
    inputs = two()
    return keras.Model(inputs, [L.Attention(use_scale=True)(inputs), L.AdditiveAttention()(inputs)])


def merges():
    inputs = two(LINE)
    kinds = L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Subtract, L.Concatenate
    return keras.Model(inputs, [kind()(inputs) for kind in kinds])


def dots():
    inputs = two()
    first, second = two(LINE)
    return keras.Model(
        [*inputs, first, second],
        [
            L.Dot(axes=2)(inputs),
            L.Dot(axes=(1, 1), normalize=True)(inputs),
            L.Dot(axes=1)([first, second]),
        ],
    )


def embedding():
    ids = keras.Input((5,), dtype="int32")
    x = L.Embedding(6, 4)(ids) + ops.one_hot(ids, 4)
    return keras.Model(ids, x)


def masked_embedding():
    ids = keras.Input((5,), dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(ids)
    x = L.LSTM(4, return_sequences=True)(x)
    x = L.Bidirectional(L.GRU(3, return_sequences=True))(x)
    return keras.Model(ids, [L.GlobalAveragePooling1D()(x), L.GRU(2)(x)])


def initial_states():
    sequence, state = keras.Input(SERIES), keras.Input((5,))
    x, *states = L.LSTM(5, return_state=True)(sequence, initial_state=[state, state * 2])
    return keras.Model([sequence, state], [x, *states, L.GRU(5)(sequence, initial_state=state)])


def whole_numbers():
    """Counts stay whole numbers, and bytes are floats in the file."""
    counts, image = keras.Input((4,), dtype="int64"), keras.Input((4, 4, 1), dtype="uint8")
    x = ops.cast(L.Rescaling(1 / 255)(image) * 9, "int32")
    return keras.Model([counts, image], [counts * 2, ops.equal(image, 3), x // 2, x % 3])


def convolutional_lstm():
    inputs = keras.Input((3, *IMAGE))
    return keras.Model(inputs, L.ConvLSTM2D(2, 3, return_sequences=True)(inputs))


def open_sizes():
    inputs = keras.Input((None, None, 4))
    x = L.Conv2D(4, 3, padding="same", strides=2)(inputs)
    x = L.MaxPooling2D(2, padding="same")(L.UpSampling2D(2)(x))
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Conv2DTranspose(2, 3, strides=2, padding="same")(L.BatchNormalization()(x))
    return keras.Model(inputs, [x, L.GlobalAveragePooling2D()(x), L.Reshape((-1, 2))(x)])


def open_steps():
    inputs = keras.Input((None, 4))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(inputs)
    x = L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    return keras.Model(inputs, L.LayerNormalization()(L.TimeDistributed(L.Dense(3))(x)))


def nested():
    """A network in a network, with a shared layer and dictionaries of tensors."""
    inner_inputs = {"a": keras.Input(LINE), "b": keras.Input(LINE)}
    dense = L.Dense(3)
    outputs = {"sum": dense(inner_inputs["a"]) + dense(inner_inputs["b"]), "one": inner_inputs["b"]}
    inner = keras.Model(inner_inputs, outputs)
    first, second = two(LINE)
    results = inner({"a": first, "b": second})
    return keras.Model([first, second], [results["sum"], results["one"], first])


@keras.saving.register_keras_serializable(package="test_onnx_float")
class Scaled(L.Layer):
    """A layer of a user, whose call multiplies a weight by a tensor."""

    def build(self, shape):
        self.inner = L.Dense(shape[-1])
        self.scale = self.add_weight(shape=(1,), initializer="ones")

    def call(self, x, training=True):
        return -x if training else -self.scale * self.inner(x)


def from_outside():
    inputs = keras.Input(LINE)
    return keras.Model(inputs, Scaled()(inputs))


NETWORKS = [
    *(attention, grouped_attention, simple_attention, merges, dots, embedding, masked_embedding),
    *(initial_states, whole_numbers, convolutional_lstm, open_sizes, open_steps, nested),
    *(from_outside,),
]


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("cls", OPSETS.values(), ids=OPSETS)
def test_networks(make, cls, rng):
    assert_same(randomize(make(), rng), rng, cls)


@pytest.mark.parametrize(
    "mask", [None, lambda q: ops.ones_like(q[:, :1, :1], dtype="bool")], ids=["free", "masked"]
)
@pytest.mark.parametrize("options", [{}, {"use_causal_mask": True}], ids=["all", "causal"])
def test_attention_with_masks(mask, options, rng):
    assert_same(attention(mask=mask, **options), rng)


def tail():
    """Layers behind the last quantizers, with an output of whole numbers."""
    inputs = keras.Input((8, 8, 3))
    x = L.Softmax()(L.Conv2D(4, 3)(inputs))
    outputs = [L.Reshape((36, 4))(x), L.UpSampling2D(2)(x), L.GlobalMaxPooling2D()(x)]
    outputs += [L.Flatten()(x), x[:, 1:3], ops.max(x, axis=-1), ops.argmax(x, axis=-1)]
    return keras.Model(inputs, outputs)


def front():
    """Layers in front of the first quantizers, for words and images."""
    words, image = keras.Input((9,), dtype="int64"), keras.Input((8, 8, 3))
    x = L.GRU(4, return_sequences=True)(L.Embedding(6, 4)(words))
    x = L.GlobalAveragePooling1D()(L.Conv1D(3, 3, name="lines")(x))
    y = L.RandomFlip()(L.RandomBrightness(0.1)(L.Rescaling(0.5)(image)))
    y = L.GlobalAveragePooling2D()(L.Conv2D(3, 3, name="images")(y))
    return keras.Model([words, image], L.Dense(3)(L.Concatenate()([x, y])))


@pytest.mark.parametrize("make", [tail, front])
@pytest.mark.parametrize(("target", "engine"), [("onnx", "onnxruntime"), ("paper", "qonnx")])
def test_the_integers_between_float_layers_are_exact(make, target, engine, rng, tmp_path):
    model = make()
    arrays = [drawn(tensor, rng) for tensor in model.inputs]
    x = arrays if len(arrays) > 1 else arrays[0]
    model = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
    keras_alt.calibrate(model, x, verbose=False)
    result = keras_alt.verify(model, x, engine, bundle=tmp_path / "bundle", verbose=False)
    assert result and result.total, str(result)
    process = run_alone(tmp_path, tmp_path / "bundle" / "verify.py")
    assert process.returncode == 0, process.stderr


def test_inputs_and_outputs_keep_their_types(rng, tmp_path):
    for make in (tail, front):
        model = make()
        x = [drawn(tensor, rng) for tensor in model.inputs]
        model = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target="onnx"))
        keras_alt.calibrate(model, x if len(x) > 1 else x[0], verbose=False)
        session = onnxruntime.InferenceSession(to_onnx(model, tmp_path / f"{make.__name__}.onnx"))
        types = [node.type for node in session.get_inputs()]
        assert types == [f"tensor({INPUTS[t.dtype]})" for t in model.inputs]
        feed = {n.name: a for n, a in zip(session.get_inputs(), x, strict=True)}
        expected = keras.tree.flatten(model(x if len(x) > 1 else x[0], training=False))
        for one, other in zip(session.run(None, feed), expected, strict=True):
            np.testing.assert_allclose(one, ops.convert_to_numpy(other), atol=1e-6)
            assert one.dtype == ops.convert_to_numpy(other).dtype


def test_what_has_no_form_is_named():
    inputs = keras.Input(LINE)
    model = keras.Model(inputs, L.Dense(3, activation="sparsemax", name="odd")(inputs))
    with pytest.raises(
        ExportError, match="'odd' of type Dense.*writes_float.*to_litert.*Sparsemax"
    ):
        written(model)


def test_a_weight_is_written_once(rng):
    """A cell that is applied to every step has its kernel once in the file."""
    inputs = keras.Input((20, 4))
    model = keras.Model(inputs, L.RNN(L.LSTMCell(8))(inputs))
    kernels = [i for i in written(model).graph.initializer if list(i.dims) == [4, 32]]
    assert len(kernels) == 1
