"""Compare float, tfmot's quantization-aware training, `ALTScheme`, and keras_alt on Keras 3.

Example:

    python benchmarks/tfmot.py
    python benchmarks/tfmot.py --data fashion_mnist.npz --epochs 3

Trains one network in tf_keras, then retrains it in INT8 in three ways with the same recipe. Prints
accuracy on the test images, the median milliseconds per training step, and the size of the LiteRT
file. Without --data, the network learns the handwritten digits of scikit-learn. A data file holds
x_train, y_train, x_test and y_test, as Fashion-MNIST does.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.quantizer import quantizers
from keras_alt.tfmot.packages import imported

tfmot, tf_keras = imported()
import tensorflow as tf  # noqa: E402

sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))
from from_tfmot import BATCH, images  # noqa: E402

LOSS = "sparse_categorical_crossentropy"


def main():
    options = parse()
    tf_keras.utils.set_random_seed(options.seed)
    train, test = images(options.data)
    network = depthwise_separable_net(train[0].shape[1:])
    took = fit(network, tf_keras.optimizers.Adam(2e-3), train, options.epochs, tf_keras)
    rows = [("float, tf_keras", network, took, converted(network))]
    for title, quantize in VARIANTS.items():
        keras.utils.set_random_seed(options.seed)
        tf_keras.utils.set_random_seed(options.seed)
        rows.append((title, *quantize(network, train, options.retrain_epochs)))
    print(f"{'':22}{'accuracy':>9}{'ms/step':>9}{'x float':>9}{'bytes':>9}{'x float':>9}")
    for title, model, took, size in rows:
        predicted = model.predict(test[0], batch_size=256, verbose=0).argmax(-1)
        print(
            f"{title:22}{np.mean(predicted == test[1]):9.2%}{1e3 * took:9.1f}"
            f"{took / rows[0][2]:9.2f}{size:9}{size / rows[0][3]:9.2f}"
        )


def tfmot_training(network, train, epochs):
    """Train with tfmot's default scheme: per-channel kernels, any scale, zero points."""
    model = tfmot.quantization.keras.quantize_model(network)
    took = fit(model, tf_keras.optimizers.Adam(5e-4), train, epochs, tf_keras)
    return model, took, converted(model)


def alt_inside_tfmot(network, train, epochs):
    quantization = tfmot.quantization.keras
    annotated = quantization.quantize_annotate_model(network)
    model = quantization.quantize_apply(annotated, keras_alt.tfmot.ALTScheme())
    model(train[0][:256], training=True)  # sets the thresholds
    took = fit(model, tf_keras.optimizers.Adam(5e-4), train, epochs, tf_keras)
    moved, _, _ = keras_alt.tfmot.to_keras3(model)
    deployed = keras_alt.retarget(moved, "litert")
    kept = [quantizer for quantizer in quantizers(deployed).values() if quantizer.calibrated]
    keras_alt.calibrate(deployed, train[0][:256], keep=kept, verbose=False)
    return model, took, exported(deployed)


def alt_on_keras_3(network, train, epochs):
    model, _, _ = keras_alt.tfmot.to_keras3(network)
    model = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target="litert"))
    keras_alt.calibrate(
        model, train[0][:256], weights=keras_alt.calibration.three_sigma, verbose=False
    )
    steps = epochs * -(-len(train[0]) // BATCH)
    took = fit(model, keras_alt.optimizers.alt(5e-4, steps=steps), train, epochs, keras)
    return model, took, exported(model)


VARIANTS = {
    "tfmot QAT": tfmot_training,
    "ALT inside tfmot": alt_inside_tfmot,
    "ALT on Keras 3": alt_on_keras_3,
}


def fit(model, optimizer, train, epochs, library):
    """Train; return the median seconds of a step."""
    started, ended = [], []
    clock = library.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: started.append(time.perf_counter()),
        on_train_batch_end=lambda batch, logs: ended.append(time.perf_counter()),
    )
    model.compile(optimizer, LOSS)
    model.fit(*train, batch_size=BATCH, epochs=epochs, callbacks=[clock], verbose=0)
    return float(np.median(np.subtract(ended, started)[2:]))


def converted(model):
    """Return the bytes of the file that TensorFlow's converter makes of a tf_keras model."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if any(hasattr(layer, "quantize_config") for layer in model.layers):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return len(converter.convert())


def exported(model):
    with tempfile.TemporaryDirectory() as folder:
        path = keras_alt.export.to_litert(model, os.path.join(folder, "model.tflite"))
        return os.path.getsize(path)


def depthwise_separable_net(shape):
    layers = tf_keras.layers

    def block(x, layer):
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(x)))

    x = inputs = layers.Input(shape)
    x = block(x, layers.Conv2D(16, 3, padding="same", use_bias=False))
    for filters, strides in ((32, 2), (64, 2), (64, 1)):
        x = block(x, layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False))
        x = block(x, layers.Conv2D(filters, 1, use_bias=False))
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="FILE.npz instead of scikit-learn's digits")
    parser.add_argument("--epochs", type=int, default=15, help="of the float network")
    parser.add_argument("--retrain-epochs", type=int, default=5, help="of each quantized one")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
