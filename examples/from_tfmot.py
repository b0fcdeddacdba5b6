"""Prune with tensorflow-model-optimization, move to Keras 3, quantize, retrain.

Example:

    python examples/from_tfmot.py
    python examples/from_tfmot.py --data fashion_mnist.npz --epochs 3

Without --data, the network learns the handwritten digits of scikit-learn (a minute on two cores). A
data file holds x_train, y_train, x_test and y_test, as Fashion-MNIST does. After each step, prints
the accuracy on the test images and the share of zeros among weights, or among their integer codes.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.tfmot.packages import imported  # unlike `import`, it does not change `tf.keras`

tfmot, tf_keras = imported()
BATCH = 64


def main():
    options = parse()
    tf_keras.utils.set_random_seed(options.seed)
    train, test = images(options.data)
    steps = options.epochs * -(-len(train[0]) // BATCH)

    network = conv_net(train[0].shape[1:])
    fit(network, train, options.epochs)
    show("float, tf_keras", network, test)

    pruning = tfmot.sparsity.keras
    schedule = pruning.PolynomialDecay(0.1, options.sparsity, 0, steps // 2, frequency=5)
    pruned = pruning.prune_low_magnitude(network, schedule)
    fit(pruned, train, options.epochs, pruning.UpdatePruningStep())
    pruned = pruning.strip_pruning(pruned)
    show("pruned with tfmot", pruned, test)

    model, masks, _ = keras_alt.tfmot.to_keras3(pruned)
    show("moved to Keras 3", model, test)

    for title, given in (("without masks", None), ("with masks", masks)):
        keras.utils.set_random_seed(options.seed)
        quantized = keras_alt.quantize_model(model, masks=given)
        keras_alt.calibrate(quantized, train[0], verbose=False)
        show(f"INT8, {title}", quantized, test)
        keras_alt.calibrate(
            quantized, train[0], weights=keras_alt.calibration.three_sigma, verbose=False
        )
        quantized.compile(
            keras_alt.optimizers.alt(weights=1e-4, steps=steps), "sparse_categorical_crossentropy"
        )
        quantized.fit(
            *train,
            batch_size=BATCH,
            epochs=options.epochs,
            callbacks=[keras_alt.callbacks.FreezeThresholds()],
            verbose=0,
        )
        show(f"retrained, {title}", quantized, test)


def conv_net(shape):
    layers = tf_keras.layers
    x = inputs = layers.Input(shape)
    for filters, strides in ((16, 1), (32, 2), (32, 1)):
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def fit(model, train, epochs, *callbacks):
    model.compile(tf_keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=BATCH, epochs=epochs, callbacks=list(callbacks), verbose=0)


def images(path):
    """Return (x, y) for training and test, x in [0, 1]."""
    if path is None:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(x))
        x, y = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), y[order]
        return (x[:1297], y[:1297]), (x[1297:], y[1297:])
    with np.load(path) as file:
        return tuple(
            ((file[f"x_{part}"] / 255.0).astype("float32")[..., None], file[f"y_{part}"])
            for part in ("train", "test")
        )


def show(title, model, test):
    accuracy = np.mean(model.predict(test[0], batch_size=256, verbose=0).argmax(-1) == test[1])
    kernels = [w for layer in model.layers for w in weights(layer)]
    zeros = sum(int(np.sum(w == 0)) for w in kernels) / sum(w.size for w in kernels)
    print(f"{title:26} accuracy {accuracy:7.2%}   zeros {zeros:6.1%}", flush=True)


def weights(layer):
    """Return the kernels of a layer, rounded to their grid if the layer is quantized."""
    if not layer.trainable:  # an average pool as a convolution has a constant kernel
        return []
    if hasattr(layer, "constants"):
        return [keras.ops.convert_to_numpy(q(values)) for q, values in layer.constants()]
    return [np.asarray(layer.kernel)] if hasattr(layer, "kernel") else []


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="npz file; scikit-learn's digits without it")
    parser.add_argument("--epochs", type=int, default=15, help="epochs of each training")
    parser.add_argument("--sparsity", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="one epoch each, for tests")
    options = parser.parse_args()
    if options.smoke:
        options.epochs = 1
    return options


if __name__ == "__main__":
    main()
