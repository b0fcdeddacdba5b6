"""Quantize a depthwise network of wide channel ranges, which collapses unless it is equalized.

Example:

    python benchmarks/fashion_collapse.py --data fashion_mnist.npz --octaves 0 2 4

It takes the MobileNetV1-like network that `fashion_bits.py` has trained in float, or trains it.
Each channel's batch norm is multiplied by a random power, at most as many octaves up or down as
`--octaves` says, and the kernel that reads the channel is divided by it. Through a ReLU this
changes no output. Prints accuracies without any training.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fashion_bits
import numpy as np
from keras import layers as L

import keras_alt
from keras_alt.calibration import maximum

NAME = "MobileNetV1-like"
WAYS = (
    ("as it is", False, "tensor", False),
    ("biases corrected", False, "tensor", True),
    ("scales per channel", False, "channel", False),
    ("scales per channel, biases corrected", False, "channel", True),
    ("equalized", True, "tensor", False),
    ("equalized, biases corrected", True, "tensor", True),
)


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    data = fashion_bits.load(options)
    x = data["train"][0][: fashion_bits.CALIBRATION]
    for seed in options.seeds:
        if not fashion_bits.stem(NAME, "first float", seed, options).with_suffix(".keras").exists():
            fashion_bits.first_float(NAME, seed, data, options)
        for octaves in options.octaves:
            model = fashion_bits.saved(NAME, "first float", seed, options)
            spread(model, octaves, np.random.default_rng(seed))
            show(f"seed {seed}, {octaves:g} octaves", model, x, data["test"], options)


def spread(model, octaves, generator):
    """Scale the channels of `model` in place: the same function, with wide ranges."""
    for norm, activation, reader in zip(
        model.layers, model.layers[1:], model.layers[2:], strict=False
    ):
        if not isinstance(norm, L.BatchNormalization) or not isinstance(activation, L.ReLU):
            continue
        if isinstance(reader, (L.Conv2D, L.DepthwiseConv2D)):
            channels = norm.gamma.shape[0]
            scale = 2 ** generator.uniform(-octaves, octaves, channels).astype("float32")
            norm.gamma.assign(norm.gamma * scale)
            norm.beta.assign(norm.beta * scale)
            # Both kinds of kernel have the channels that they read third.
            reader.kernel.assign(reader.kernel / scale[:, None])


def show(title, model, x, test, options):
    """Print the accuracy of each way to quantize, and the paired difference from float."""
    expected = fashion_bits.correct(model, *test)
    print(f"{title}: float {100 * expected.mean():.2f} of {len(expected)} images", flush=True)
    equalized = keras_alt.equalize(model, x, verbose=False)
    for name, is_equalized, weight_scales, correction in WAYS:
        start = equalized if is_equalized else model
        config = keras_alt.QuantizeConfig(target=options.target, weight_scales=weight_scales)
        student = keras_alt.quantize_model(start, config)
        keras_alt.calibrate(
            student,
            x,
            activations=maximum,
            samples=len(x),
            bias_correction=correction,
            verbose=False,
        )
        right = fashion_bits.correct(student, *test)
        difference = 100 * (right.astype(float) - expected)
        error = difference.std(ddof=1) / np.sqrt(len(difference))
        print(
            f"  {name:37} {100 * right.mean():6.2f}  {difference.mean():+.2f} ± {error:.2f}",
            flush=True,
        )


def parse():
    parser = fashion_bits.arguments(__doc__)
    parser.add_argument("--octaves", nargs="+", type=float, default=[0, 2, 4])
    return parser.parse_args()


if __name__ == "__main__":
    main()
