"""Find the operators whose integers OpenVINO computes otherwise from a `.tflite` than LiteRT.

    pip install openvino
    python benchmarks/openvino_operators.py --samples 64

Each network is one layer with random weights, between quantizers. A row tells how many of its
output codes differ from those of the integer engine.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers as L
from openvino_codes import compared

import keras_alt

SHAPE = (8, 8, 4)
LAYERS = {
    "Dense": lambda x: L.Dense(8)(L.Flatten()(x)),
    "Conv2D": lambda x: L.Conv2D(8, 3)(x),
    "Conv2D, same": lambda x: L.Conv2D(8, 3, padding="same")(x),
    "Conv2D, same, stride 2": lambda x: L.Conv2D(8, 3, 2, padding="same")(x),
    "Conv2D, ReLU, Conv2D": lambda x: L.Conv2D(8, 1)(L.Conv2D(8, 3, activation="relu")(x)),
    "DepthwiseConv2D": lambda x: L.DepthwiseConv2D(3)(x),
    "Conv2D + Conv2D": lambda x: L.Add()([L.Conv2D(8, 1)(x), L.Conv2D(8, 1)(x)]),
    "Concatenate": lambda x: L.Concatenate()([x, L.MaxPooling2D(3, 1, "same")(x)]),
    "AveragePooling2D, Conv2D": lambda x: L.Conv2D(8, 1)(L.AveragePooling2D(2)(x)),
    "GlobalAveragePooling2D, Dense": lambda x: L.Dense(8)(L.GlobalAveragePooling2D()(x)),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--target", default="litert")
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS))
    options = parser.parse_args()
    print("| layer | output codes that differ | by |\n|---|---|---|", flush=True)
    for name in options.layers:
        differing, total, most = compared(*small(name, options), "tflite", "f32")
        print(f"| {name} | {differing} of {total} | {most} |", flush=True)


def small(name, options):
    """Return a calibrated network of one layer, and inputs."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, LAYERS[name](inputs))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.3, variable.shape))
    x = rng.normal(size=(options.samples, *SHAPE)).astype("float32")
    quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=options.target))
    keras_alt.calibrate(quantized, x, verbose=False)
    return quantized, x


if __name__ == "__main__":
    main()
