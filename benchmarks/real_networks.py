"""The real networks that engines are proven on, calibrated on inputs of their kind.

A folder of data has the `.keras` files of `NETWORKS` and `cifar10_lossless.npz`.
"""

import pathlib

import keras
import numpy as np

import keras_alt

CALIBRATION = 64
SEEDS = {"test": 0, "train": 1}  # of random inputs


def cifar(data, count, part="test"):
    with np.load(data / "cifar10_lossless.npz") as file:
        return file[f"x_{part}"][:count].astype("float32")


def normalized(data, count, part="test"):
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return ((cifar(data, count, part) / 255 - mean) / deviation).astype("float32")


def enlarged(data, count, part="test"):
    images = cifar(data, count, part)
    images = keras.ops.image.resize(images, (96, 96), interpolation="bilinear")
    return keras.ops.convert_to_numpy(images) / 127.5 - 1


def random(*shape, low, high):
    """Return a source of smooth random inputs: sums along the first axis, brought into a range."""

    def draw(data, count, part="test"):
        x = np.random.default_rng(SEEDS[part]).normal(size=(count, *shape)).cumsum(axis=1)
        x -= x.min(axis=1, keepdims=True)
        x /= x.max(axis=1, keepdims=True) + 1e-6
        return (low + (high - low) * x).astype("float32")

    return draw


NETWORKS = {
    "resnet8": ("mlperf_tiny_resnet8_cifar10.keras", cifar),
    "kws": ("mlperf_tiny_kws_ds_cnn.keras", random(49, 10, 1, low=-20, high=20)),
    "autoencoder": ("mlperf_tiny_ad01_toyadmos_ae.keras", random(640, low=-60, high=0)),
    "vww": ("mlperf_tiny_vww_mobilenet_v1_0.25_96.keras", random(96, 96, 3, low=0, high=1)),
    "resnet20": ("resnet20_cifar10.keras", normalized),
    "mobilenet_v2": ("mobilenet_v2_0.35_96_cifar10_finetuned.keras", enlarged),
}


def calibrated(name, target, data, samples, head="softmax"):
    """Return the float network, the calibrated one, and `samples` inputs (array).

    `head` is the name of the activation of the last layer, for networks that end in a softmax.
    """
    file, inputs = NETWORKS[name]
    model = keras.models.load_model(data / file, compile=False)
    if head != "softmax":
        model.layers[-1].activation = keras.activations.get(head)
    x = inputs(data, max(samples, CALIBRATION))
    quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
    keras_alt.calibrate(quantized, x[:CALIBRATION], verbose=False)
    return model, quantized, x[:samples]


def add_arguments(parser, networks=tuple(NETWORKS), samples=100):
    """Add what is proven on what to a parser of arguments, with these defaults."""
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of networks")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(networks))
    parser.add_argument("--samples", type=int, default=samples)
