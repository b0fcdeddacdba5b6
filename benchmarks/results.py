"""Repeat the figures of `docs/results/accuracy.md` in small, in minutes, on scikit-learn's digits.

Example:

    make results

A depthwise network learns handwritten digits. Then the channels of its batch norms
are scaled by powers of two, which changes nothing in float, and ruins one scale per tensor. The
table compares it as a static integer network, step by step, and trained on: in float, by ALT with 8
bits, and with 4-bit weights. Differences are paired, image by image, over all seeds; `±` is their
standard error.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers as L
from sklearn.datasets import load_digits

import keras_alt
from keras_alt.calibration import maximum

OCTAVES = 6  # over which gammas are spread
LOSS = "sparse_categorical_crossentropy"


def main():
    options = parse()
    hits = {}
    for seed in options.seeds:
        for name, right in run(seed, options).items():
            hits.setdefault(name, []).append(right)
            print(f"seed {seed}: {name}: {100 * right.mean():.2f}", flush=True)
    table({name: np.concatenate(rows).astype(float) for name, rows in hits.items()})


def table(hits):
    print("\n| | accuracy | minus float | minus float, retrained |\n|---|---|---|---|")
    for name, right in hits.items():
        cells = [f"{100 * right.mean():.2f}"]
        for reference in ("float", "float, retrained"):
            difference = 100 * (right - hits[reference])
            error = difference.std(ddof=1) / len(difference) ** 0.5
            cells.append(f"{difference.mean():+.2f} ± {error:.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


def run(seed, options):
    """Return which test images each variant gets right."""
    keras.utils.set_random_seed(seed)
    train, test = digits(seed)
    model = network()
    fit(model, keras.optimizers.Adam(schedule(4e-3, train, options.epochs)), train, options.epochs)
    spread(model, np.random.default_rng(seed))
    models = {"float": model}
    config = keras_alt.QuantizeConfig(target=options.target)
    x = train[0][:256]
    plain = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(plain, x, activations=maximum, verbose=False)
    models["static INT8, as it is"] = plain
    models["static INT8, recipe"] = keras_alt.recipes.static(model, x, config, verbose=False).model
    recipe = {"epochs": options.more, "config": config, "batch_size": 64, "verbose": False}
    for name, bits in (("ALT INT8", ()), ("ALT INT4 weights", (4,))):
        keras.utils.set_random_seed(seed)
        models[name] = keras_alt.recipes.retrain(model, train, LOSS, bits=bits, **recipe).model
    hits = {name: correct(m, test) for name, m in models.items()}
    keras.utils.set_random_seed(seed)
    rate = schedule(keras_alt.recipes.RATE, train, options.more)
    fit(model, keras.optimizers.Adam(rate), train, options.more)
    return hits | {"float, retrained": correct(model, test)}


def network():
    x = inputs = keras.Input((8, 8, 1))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(16, 3, padding="same", use_bias=False)(x)))
    for i, (filters, strides) in enumerate(((32, 1), (64, 2), (64, 1))):
        x = L.DepthwiseConv2D(3, strides, "same", use_bias=False, name=f"depthwise_{i}")(x)
        x = L.ReLU()(L.BatchNormalization(name=f"norm_{i}")(x))
        x = L.Conv2D(filters, 1, use_bias=False, name=f"pointwise_{i}")(x)
        x = L.ReLU(6.0)(L.BatchNormalization()(x))
    return keras.Model(inputs, L.Dense(10, "softmax")(L.GlobalAveragePooling2D()(x)))


def spread(model, rng):
    """Scale what each depthwise norm computes by powers of two, and undo it in the next kernel."""
    for name, norm in ((n.name, n) for n in model.layers if n.name.startswith("norm_")):
        factors = np.exp2(rng.integers(-OCTAVES // 2, OCTAVES // 2 + 1, norm.gamma.shape))
        norm.gamma.assign(norm.gamma * factors)
        norm.beta.assign(norm.beta * factors)
        kernel = model.get_layer(name.replace("norm", "pointwise")).kernel
        kernel.assign(kernel / factors[:, None])


def digits(seed):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), y[order]
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])


def schedule(rate, train, epochs):
    return keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(train[0]) // 64))


def fit(model, optimizer, train, epochs):
    model.compile(optimizer, LOSS)
    model.fit(*train, batch_size=64, epochs=epochs, verbose=0)


def correct(model, test):
    return model.predict(test[0], verbose=0).argmax(-1) == test[1]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", default="litert", help="engine rules")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30, help="in float")
    parser.add_argument("--more", type=int, default=8, help="of each training that follows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
