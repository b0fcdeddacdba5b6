"""Moves of the thresholds in a trained network, for `threshold_dynamics.py`.

A network that is trained for a minute has even channels. Those of a MobileNetV2 differ 42-fold
within a depthwise kernel once batch norms are folded. So each depthwise channel is multiplied by a
random factor here, and the next kernel divides by it: the function stays the same.
"""

import keras
import numpy as np
from keras import layers
from quickstart import digits

import keras_alt
from keras_alt.calibration import maximum
from keras_alt.callbacks import ThresholdHistory

SPREAD = 42.0
BATCH = 32
LOSS = "sparse_categorical_crossentropy"


def moves(bits, epochs):
    """Return {kind of tensor: octaves that each threshold moves} and the accuracies."""
    train, validation, _ = digits()
    model = depthwise_net()
    model.compile(keras.optimizers.Adam(3e-3), LOSS, metrics=["accuracy"])
    model.fit(*train, batch_size=BATCH, epochs=2 * epochs, verbose=0)
    accuracies = [model.evaluate(*validation, verbose=0)[1]]
    spread_channels(model, np.random.default_rng(0))

    found = {}
    for width in bits:
        quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(weights=width))
        keras_alt.calibrate(quantized, train[0], weights=maximum, verbose=False)
        history = ThresholdHistory()
        steps = epochs * -(-len(train[0]) // BATCH)
        optimizer = keras_alt.optimizers.alt(weights=5e-4, thresholds=3e-2, steps=steps)
        quantized.compile(optimizer, LOSS, metrics=["accuracy"])
        quantized.fit(*train, batch_size=BATCH, epochs=epochs, callbacks=[history], verbose=0)
        accuracies.append(quantized.evaluate(*validation, verbose=0)[1])
        for name, log2 in history.history.items():
            kind = f"{width} bits, {kind_of(name)}"
            found.setdefault(kind, []).append(int(np.ceil(log2[-1]) - np.ceil(log2[0])))
    return found, accuracies


def kind_of(name):
    if not name.endswith("/kernel"):
        return "activations and sums"
    return "depthwise kernels" if name.startswith("depthwise") else "other kernels"


def depthwise_net():
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    for filters, strides in ((32, 1), (64, 2), (64, 1), (64, 1)):
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def spread_channels(model, rng):
    """Scale the channels of depthwise layers; ReLU passes the factors to the next kernel."""
    for i, layer in enumerate(model.layers):
        if isinstance(layer, layers.DepthwiseConv2D):
            norm, _, pointwise = model.layers[i + 1 : i + 4]
            factors = SPREAD ** rng.uniform(-0.5, 0.5, norm.gamma.shape).astype("float32")
            norm.gamma.assign(norm.gamma * factors)
            norm.beta.assign(norm.beta * factors)
            pointwise.kernel.assign(pointwise.kernel / factors[:, None])
