"""Small networks with float layers between, in front of and beside quantizers."""

import keras
import numpy as np
from keras import layers as L


def chain(*layers, size=(12, 4), dtype="float32"):
    """Return a function that makes a network of layers. Each is made when it is called."""

    def make():
        x = inputs = keras.Input(size, dtype=dtype)
        for layer in layers:
            x = layer()(x)
        return keras.Model(inputs, x)

    return make


def conv():
    return L.Conv1D(4, 3, name="conv")


def head():
    return L.Dense(3, name="head")


def attention(**settings):
    x = inputs = keras.Input((12, 4))
    x = L.Dense(8)(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 4, name="attention", **settings)(x, x)])
    return keras.Model(inputs, head()(L.LayerNormalization()(x)))


def gate_that_passes_by():
    """A float branch from the input meets integers behind a kernel."""
    inputs = keras.Input((12, 4))
    gate = L.Activation("softmax")(inputs)
    x = L.Conv1D(4, 3, padding="same")(L.Rescaling(0.5)(inputs))
    return keras.Model(inputs, head()(L.Dot(axes=2, normalize=True)([x, gate])))


def float_that_leaves():
    """What an island gives is quantized, an output, and read by a float layer in the end."""
    inputs = keras.Input((12, 4))
    codes = conv()(inputs)
    x = L.LSTM(4, name="lstm")(codes)
    return keras.Model(inputs, [L.Softmax(name="softmax")(x), head()(x), x, codes])


def islands_side_by_side():
    inputs = keras.Input((12, 4))
    x = conv()(inputs)
    y = L.Dense(4)(L.LayerNormalization()(x))
    z = L.Dense(4)(L.LSTM(4, return_sequences=True)(x))
    return keras.Model(inputs, head()(L.Concatenate()([y, z, x])))


def islands_of_two_depths():
    """A later island reads the floats of an earlier one."""
    inputs = keras.Input((12, 4))
    early = L.LayerNormalization(name="early")(conv()(inputs))
    x = L.LayerNormalization(name="late")(L.Dense(4)(early))
    return keras.Model(inputs, head()(L.Dot(axes=2, normalize=True, name="dot")([x, early])))


# `{name: (function that makes the network, its float layers between quantizers)}`
ISLANDS = {
    "lstm_between": (chain(conv, lambda: L.LSTM(4, name="lstm"), head), ["lstm"]),
    "two_loops": (
        chain(
            conv,
            lambda: L.LSTM(4, return_sequences=True, name="lstm"),
            lambda: L.Conv1D(4, 3),
            lambda: L.GRU(4, name="gru"),
            head,
        ),
        ["lstm", "gru"],
    ),
    "simple_rnn": (chain(conv, lambda: L.SimpleRNN(4, name="rnn"), head), ["rnn"]),
    "bidirectional": (
        chain(conv, lambda: L.Bidirectional(L.LSTM(4, return_sequences=True), name="both"), head),
        ["both"],
    ),
    "no_binary_fraction": (
        chain(
            lambda: L.Reshape((3, 4, 4)),
            lambda: L.Conv2D(4, 1),
            lambda: L.UpSampling2D(3, interpolation="bilinear", name="up"),
            lambda: L.Conv2D(4, 3),
            L.Flatten,
            head,
        ),
        ["up"],
    ),
    "layer_norm": (
        chain(conv, lambda: L.LayerNormalization(name="norm"), head, L.Softmax),
        ["norm"],
    ),
    "layer_norms_in_a_row": (
        chain(
            conv,
            lambda: L.LayerNormalization(name="norm"),
            lambda: L.Softmax((1, 2), name="softmax"),
            head,
        ),
        ["norm", "softmax"],
    ),
    "mask_that_passes_by": (
        chain(
            lambda: L.Embedding(20, 4, mask_zero=True),
            lambda: L.Dense(4),
            lambda: L.LSTM(4, name="lstm"),
            head,
            size=(12,),
            dtype="int32",
        ),
        ["lstm"],
    ),
    "attention": (attention, ["layer_normalization"]),
    "whole_attention": (
        lambda: attention(kernel_constraint="max_norm"),
        ["attention", "layer_normalization"],
    ),
    "gate_that_passes_by": (gate_that_passes_by, ["dot"]),
    "float_that_leaves": (float_that_leaves, ["lstm"]),
    "islands_side_by_side": (islands_side_by_side, ["layer_normalization", "lstm"]),
    "islands_of_two_depths": (islands_of_two_depths, ["early", "late", "dot"]),
}
# Without islands: float layers with weights in front of the quantizers, and behind.
AROUND = {
    "lstm_first": chain(lambda: L.LSTM(4, return_sequences=True, name="lstm"), conv, head),
    "lstm_last": chain(conv, lambda: L.LSTM(4, name="lstm")),
    "embedding": chain(
        lambda: L.Embedding(20, 4, name="embedding"), conv, head, size=(12,), dtype="int32"
    ),
}


def inputs_of(model, rng, samples=16):
    """Return inputs for a network of the zoo."""
    (tensor,) = model.inputs
    shape = (samples, *tensor.shape[1:])
    if tensor.dtype == "int32":
        return rng.integers(0, 20, shape).astype("int32")
    return rng.normal(size=shape).astype(np.float32)
