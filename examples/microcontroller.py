"""Quantize a network, write it as C, and run it on an emulated Cortex-M.

Examples:

    apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
    python examples/microcontroller.py --output output/board
    python examples/microcontroller.py --model FILE.keras --data FILE.npz --board mps2-an500

Without --model, a small residual network learns handwritten digits first. With --model, FILE is a
Keras model, float or quantized; a float one is calibrated and not retrained. The data file has the
inputs `x` as the model takes them; random ones take their place without.

Writes the C to --output. Compares the codes of every quantizer on the board with those of Keras,
and the output codes with those of the integer engine. Prints instructions, flash and RAM of an
inference. Exits with 1 if any code differs. No board is needed: QEMU emulates it. With CFLAGS=-O3,
the compiler uses the vector instructions of the Cortex-M55.
"""

import argparse
import os
import pathlib

import keras
import numpy as np

import keras_alt
from keras_alt.engines.cortex_m import BOARDS, costs_on_board


def main():
    options = parse()
    keras.utils.set_random_seed(0)
    os.environ["BOARD"] = options.board
    quantized, x = given(options) if options.model else digits(options)
    x = x[: options.count]
    path = keras_alt.export.to_c(quantized, options.output, x[:4], name="net")
    print(f"{path}: {', '.join(sorted(os.listdir(path)))}")
    try:
        proof = keras_alt.verify(quantized, x, engine="cortex-m", verbose=False)
        costs = costs_on_board(quantized, x)
    except (ImportError, ValueError) as error:
        raise SystemExit(str(error)) from error
    print(f"{proof}\n{len(proof.layers)} tensors compared\n\n{costs}")
    differing = sum(row.mismatches for row in proof.layers) + costs.mismatches
    if differing:
        raise SystemExit(f"{differing} codes differ")


def digits(options):
    """Return a network that reads digits, trained and quantized, and test images."""
    import deploy

    model, train, test = deploy.digits(options)
    config = keras_alt.QuantizeConfig(target=options.target, weights=options.bits)
    quantized = keras_alt.quantize_model(model, config)
    keras_alt.calibrate(quantized, train[0][:256], verbose=False)
    for name, network in {"float": model, "quantized": quantized}.items():
        print(f"{name}: {deploy.accuracy(network, test):.2%} of {len(test[1])} test images")
    return quantized, test[0]


def given(options):
    """Return the user's network, quantized, and its inputs."""
    model = keras.models.load_model(options.model, compile=False)
    if options.data:
        with np.load(options.data) as file:
            x = file["x"]
    else:
        shape = (max(options.count, 64), *model.input_shape[1:])
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        print("random inputs: the codes are compared as well, but the thresholds mean nothing")
    if not keras_alt.quantizers(model):
        config = keras_alt.QuantizeConfig(target=options.target, weights=options.bits)
        model = keras_alt.quantize_model(model, config)
        keras_alt.calibrate(model, x[:256], verbose=False)
    return model, x


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=pathlib.Path, help="Keras model; digits by default")
    parser.add_argument("--data", type=pathlib.Path, help="npz file with inputs x for the model")
    parser.add_argument("--board", choices=list(BOARDS), default=next(iter(BOARDS)))
    parser.add_argument("--target", default="litert", help="whose rules a float model gets")
    parser.add_argument("--bits", type=int, default=8, help="width of its weights")
    parser.add_argument("--epochs", type=int, default=10, help="of the network for digits, halved")
    parser.add_argument("--count", type=int, default=32, help="samples that the board computes")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/board"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
