"""Float networks in ONNX files: several inputs, masks, states, open sizes, integers between."""

import keras
import numpy as np
import pytest
from alone import run_alone
from conftest import randomize
from keras import layers as L
from keras import ops
from onnx_floats import EVERY_OPSET, IMAGE, LINE, SERIES, assert_same, drawn, onnxruntime, written

import keras_alt
from keras_alt.export import ExportError, to_onnx

pytestmark = pytest.mark.tensorflow_only
INPUTS = {"float32": "float", "int64": "int64"}


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
    y = L.Rescaling(1 / 4)(L.Resizing(3, 5)(image))
    return keras.Model([counts, image], [counts * 2, ops.equal(image, 3), x // 2, x % 3, y])


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
    x = L.Conv1D(4, 3, padding="same", dilation_rate=2)(inputs)
    x = L.Conv1D(4, 3, padding="causal", dilation_rate=2)(x)
    x = L.Conv1D(4, 3, padding="same", strides=2)(L.Conv1D(4, 2, padding="causal")(x))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
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
@EVERY_OPSET
def test_networks(make, writer, rng):
    assert_same(randomize(make(), rng), rng, writer)


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
