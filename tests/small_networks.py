"""Small networks of the kinds that run on devices, built as their users build them.

`yolo` is a one-stage detector with bytes as inputs: SiLU, CSP blocks, SPPF, a feature pyramid with
nearest upsampling, sigmoid heads at three scales. `faces` is BlazeFace: PReLU, depthwise
convolutions, shortcuts with padded channels, boxes, landmarks and scores of two scales. `unet` and
`unet_bilinear` segment images. `keywords` is the DS-CNN of keyword spotting, with one pool over the
whole spectrogram. `tcn` is a temporal convolutional network. `ecg` normalizes behind the ReLU.
`gru` and `lstm_first` are loops behind a convolution and in front of dense layers. `gru_steps` and
`lstm_steps` spot keywords step by step, without a loop. `denoiser` is DnCNN for images of any size.
`mobilenet_v3` and `efficientnet` classify images with gates. `autoencoder` restores images in
-1..1. `vit` is a vision transformer with a position embedding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_alt import unroll


@dataclass(frozen=True)
class Network:
    """A network, and what is expected of it.

    Attributes:
        make: function that makes the model.
        floats: names of the layers that may stay float.
        options: arguments of `QuantizeConfig`.
    """

    make: Callable[[], keras.Model]
    floats: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)

    def inputs(self, model, rng, samples=16, open_sizes=(16, 16)):
        """Return random inputs of the model: bytes where the configuration says so."""
        (tensor,) = model.inputs
        sizes = iter(open_sizes)
        shape = [samples, *(next(sizes) if n is None else n for n in tensor.shape[1:])]
        if self.options.get("inputs") == "uint8":
            return rng.integers(0, 256, shape).astype("float32")
        return rng.normal(size=shape).astype("float32")


def conv(x, filters, kernel=3, strides=1, activation="silu"):
    x = L.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return x if activation is None else L.Activation(activation)(x)


def depthwise(x, kernel=3, strides=1, activation="relu"):
    x = L.DepthwiseConv2D(kernel, strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(activation)(x)


def csp(x, filters, shortcut=True):
    """A cross-stage partial block with one bottleneck."""
    half = filters // 2
    x, passed = conv(x, half, 1), conv(x, half, 1)
    y = conv(conv(x, half, 1), half)
    return conv(L.Concatenate()([L.Add()([x, y]) if shortcut else y, passed]), filters, 1)


def sppf(x, filters):
    """Spatial pyramid pooling: three max pools in a row, all of them kept."""
    pools = [conv(x, filters // 2, 1)]
    for _ in range(3):
        pools.append(L.MaxPooling2D(5, strides=1, padding="same")(pools[-1]))
    return conv(L.Concatenate()(pools), filters, 1)


def yolo(anchors=2, classes=3):
    images = keras.Input((32, 32, 3), name="images")
    x = conv(L.Rescaling(1 / 255, name="unit")(images), 8, strides=2)
    fine = csp(conv(x, 8, strides=2), 8)
    middle = csp(conv(fine, 12, strides=2), 12)
    coarse = sppf(conv(middle, 16, strides=2), 16)
    up = L.UpSampling2D(2)(conv(coarse, 12, 1))
    middle = csp(L.Concatenate()([up, middle]), 12, shortcut=False)
    up = L.UpSampling2D(2)(conv(middle, 8, 1))
    fine = conv(L.Concatenate()([up, fine]), 8)
    outputs = []
    for name, x in {"fine": fine, "middle": middle, "coarse": coarse}.items():
        x = L.Conv2D(anchors * (5 + classes), 1, name=f"{name}_head")(x)
        x = L.Reshape((-1, 5 + classes))(x)
        outputs.append(L.Activation("sigmoid", name=name)(x))
    return keras.Model(images, outputs, name="yolo")


def blaze_block(x, filters, strides=1):
    y = L.DepthwiseConv2D(5, strides, padding="same")(x)
    y = L.BatchNormalization()(L.Conv2D(filters, 1)(y))
    if strides == 2:
        x = L.MaxPooling2D(2)(x)
    added = filters - x.shape[-1]
    if added:
        x = ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, added]])
    return L.PReLU(shared_axes=[1, 2])(L.Add()([x, y]))


def faces():
    images = keras.Input((32, 32, 3), name="images")
    x = L.Conv2D(8, 5, strides=2, padding="same")(images)
    x = L.PReLU("random_normal", shared_axes=[1, 2])(x)
    x = blaze_block(blaze_block(x, 8), 12, 2)
    maps = [x, blaze_block(x, 16, 2)]

    def head(name, numbers):
        rows = [L.Reshape((-1, numbers))(L.Conv2D(2 * numbers, 3, padding="same")(x)) for x in maps]
        return L.Concatenate(1, name=name)(rows)

    scores = L.Activation("sigmoid", name="scores")(head("logits", 1))
    return keras.Model(images, [head("boxes", 4), head("landmarks", 10), scores], name="faces")


def unet(up=lambda filters: L.Conv2DTranspose(filters, 2, strides=2)):
    def block(x, filters):
        return conv(conv(x, filters, activation="relu"), filters, activation="relu")

    images = keras.Input((16, 16, 3), name="images")
    first = block(images, 4)
    second = block(L.MaxPooling2D(2)(first), 8)
    x = block(L.MaxPooling2D(2)(second), 12)
    x = block(L.Concatenate()([up(8)(x), second]), 8)
    x = block(L.Concatenate()([up(4)(x), first]), 4)
    return keras.Model(images, L.Conv2D(1, 1, activation="sigmoid", name="mask")(x), name="unet")


def unet_bilinear():
    return unet(lambda filters: L.UpSampling2D(2, interpolation="bilinear"))


def keywords():
    cepstra = keras.Input((49, 10, 1), name="cepstra")
    x = conv(cepstra, 8, (10, 4), 2, "relu")
    for _ in range(3):
        x = conv(depthwise(x), 8, 1, activation="relu")
    x = L.Flatten()(L.AveragePooling2D((25, 5))(L.Dropout(0.4)(x)))
    return keras.Model(cepstra, L.Dense(12, activation="softmax", name="words")(x), name="keywords")


def tcn():
    x = series = keras.Input((32, 3), name="series")
    for dilation in (1, 2, 4):
        y = x
        for _ in range(2):
            y = L.Conv1D(6, 3, padding="causal", dilation_rate=dilation, activation="relu")(y)
            y = L.SpatialDropout1D(0.1)(y)
        x = L.ReLU()(L.Add()([y, x if x.shape[-1] == 6 else L.Conv1D(6, 1)(x)]))
    return keras.Model(series, L.Dense(2, name="next")(x[:, -1, :]), name="tcn")


def ecg():
    x = leads = keras.Input((96, 2), name="leads")
    for filters in (6, 8, 8):
        x = L.BatchNormalization()(L.Conv1D(filters, 5, activation="relu")(x))
        x = L.MaxPooling1D(2)(x)
    x = L.Dense(8)(L.Flatten()(x))
    x = L.Dropout(0.2)(L.BatchNormalization()(L.ReLU()(x)))
    return keras.Model(leads, L.Dense(5, activation="softmax", name="beat")(x), name="ecg")


def gru():
    series = keras.Input((24, 3), name="series")
    x = L.Conv1D(6, 5, strides=2, activation="relu")(series)
    x = L.GRU(6, name="loop")(x)
    return keras.Model(series, L.Dense(3, name="classes")(x), name="gru")


def lstm_first():
    series = keras.Input((12, 3), name="series")
    x = L.LSTM(6, name="loop")(series)
    x = L.Dense(8, activation="relu")(x)
    return keras.Model(series, L.Dense(1, name="next")(x), name="lstm_first")


def gru_steps():
    spectrum = keras.Input((16, 10), name="spectrum")
    x = L.GRU(12, name="loop")(spectrum)
    return unroll(keras.Model(spectrum, L.Dense(4, name="words")(x), name="gru_steps"))


def lstm_steps():
    spectrum = keras.Input((8, 10), name="spectrum")
    x = L.Bidirectional(L.LSTM(4, return_sequences=True), name="both")(spectrum)
    x = L.LSTM(6, name="loop")(x)
    return unroll(keras.Model(spectrum, L.Dense(4, name="words")(x), name="lstm_steps"))


def denoiser():
    noisy = keras.Input((None, None, 1), name="noisy")
    x = L.Conv2D(6, 3, padding="same", activation="relu")(noisy)
    for _ in range(3):
        x = conv(x, 6, activation="relu")
    noise = L.Conv2D(1, 3, padding="same", name="noise")(x)
    return keras.Model(noisy, L.Subtract(name="clean")([noisy, noise]), name="denoiser")


def squeeze_and_excite(x, inner, outer):
    """Gate the channels of `x`, through convolutions of one cell."""
    y = L.GlobalAveragePooling2D()(x)
    y = L.Reshape((1, 1, x.shape[-1]))(y)
    y = L.Conv2D(4, 1, activation=inner)(y)
    return L.Multiply()([x, L.Conv2D(x.shape[-1], 1, activation=outer)(y)])


def inverted(x, filters, activation, gate, strides=1, drop=0.0):
    """An inverted residual with a gate; the branch is dropped with a rate for a sample."""
    y = conv(x, 2 * x.shape[-1], 1, activation=activation)
    y = depthwise(y, strides=strides, activation=activation)
    y = conv(squeeze_and_excite(y, *gate), filters, 1, activation=None)
    if strides > 1 or filters != x.shape[-1]:
        return y
    if drop:
        y = L.Dropout(drop, noise_shape=(None, 1, 1, 1))(y)
    return L.Add()([x, y])


def mobilenet_v3():
    images = keras.Input((16, 16, 3), name="images")
    x = conv(images, 6, strides=2, activation="hard_silu")
    x = inverted(x, 8, "relu", ("relu", "hard_sigmoid"), strides=2)
    x = inverted(x, 8, "hard_silu", ("relu", "hard_sigmoid"))
    x = L.GlobalAveragePooling2D(keepdims=True)(conv(x, 12, 1, activation="hard_silu"))
    x = L.Conv2D(12, 1, activation="hard_silu")(x)
    x = L.Flatten()(L.Conv2D(4, 1, name="classes")(x))
    return keras.Model(images, L.Softmax(name="shares")(x), name="mobilenet_v3")


def efficientnet():
    images = keras.Input((16, 16, 3), name="images")
    x = conv(L.Rescaling(1 / 255, name="unit")(images), 6, strides=2)
    x = inverted(x, 8, "silu", ("silu", "sigmoid"), strides=2)
    x = inverted(x, 8, "silu", ("silu", "sigmoid"), drop=0.2)
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(conv(x, 12, 1)))
    return keras.Model(images, L.Dense(4, name="classes")(x), name="efficientnet")


def autoencoder():
    images = keras.Input((8, 8, 1), name="images")
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(images)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Dense(5, activation="tanh", name="latent")(L.Flatten()(x))
    x = L.Reshape((2, 2, 6))(L.Dense(24, activation="relu")(x))
    for filters in (6, 4):
        x = L.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    restored = L.Conv2D(1, 3, padding="same", activation="tanh", name="restored")(x)
    return keras.Model(images, restored, name="autoencoder")


def vit():
    images = keras.Input((8, 8, 3), name="images")
    x = L.Reshape((16, 8))(L.Conv2D(8, 2, strides=2, name="patches")(images))
    x = x + np.random.default_rng(0).normal(0, 0.5, (16, 8)).astype("float32")
    for block in ("first", "second"):
        y = L.LayerNormalization(name=f"{block}_norm")(x)
        x = L.Add()([x, L.MultiHeadAttention(2, 4, name=f"{block}_attention")(y, y)])
        y = L.LayerNormalization(name=f"{block}_mlp_norm")(x)
        x = L.Add()([x, L.Dense(8)(L.Dense(12, activation="gelu")(y))])
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(images, L.Dense(4, name="classes")(x), name="vit")


VIT_NORMS = [f"{block}_{norm}" for block in ("first", "second") for norm in ("norm", "mlp_norm")]
BYTES = {"inputs": "uint8"}
NETWORKS = {
    "yolo": Network(yolo, frozenset(["unit", "fine", "middle", "coarse"]), BYTES),
    "faces": Network(faces, frozenset(["scores"])),
    "unet": Network(unet, frozenset(["mask_sigmoid"])),
    "unet_bilinear": Network(unet_bilinear, frozenset(["mask_sigmoid"])),
    "keywords": Network(keywords, frozenset(["words_softmax"])),
    "tcn": Network(tcn),
    "ecg": Network(ecg, frozenset(["beat_softmax"])),
    "gru": Network(gru, frozenset(["loop"])),
    "lstm_first": Network(lstm_first, frozenset(["loop"])),
    "gru_steps": Network(gru_steps),
    "lstm_steps": Network(lstm_steps),
    "denoiser": Network(denoiser),
    "mobilenet_v3": Network(mobilenet_v3, frozenset(["shares"])),
    "efficientnet": Network(efficientnet, frozenset(["unit"]), BYTES),
    "vit": Network(vit, frozenset(VIT_NORMS)),
    "autoencoder": Network(autoencoder, frozenset(["restored_tanh"])),
}
