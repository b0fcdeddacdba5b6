"""Prove the exported C of real networks on emulated Cortex-M boards, and tell what it costs there.

    python benchmarks/board.py --data DIR --networks resnet8 kws --samples 16

`DIR` and `NETWORKS` are those of `c.py`. Networks are calibrated, not trained. Each row tells how
many codes differ from those of Keras, at every quantizer and output; instructions of an inference;
bytes of code and constants (flash), and of static memory and stack (RAM) that the network needs.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from c import NETWORKS

import keras_alt
from keras_alt.engines.cortex_m import BOARDS, costs_on_board

COLUMNS = (
    *("network", "target", "core", "flags", "samples", "codes that differ"),
    *("instructions", "code", "constants", "static memory", "stack"),
)


def main():
    options = arguments()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    for name in options.networks:
        file, inputs = NETWORKS[name]
        model = keras.models.load_model(options.data / file, compile=False)
        x = inputs(options.data, max(options.samples, 64))
        for target in options.targets:
            quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
            keras_alt.calibrate(quantized, x[:64], verbose=False)
            for board in options.boards:
                for level in options.levels:
                    row(name, target, board, level, quantized, x[: options.samples])


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["resnet8", "kws"])
    parser.add_argument("--targets", nargs="+", default=["litert"])
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=list(BOARDS))
    parser.add_argument("--levels", nargs="+", default=["2", "3"], help="of optimization")
    parser.add_argument("--samples", type=int, default=16)
    return parser.parse_args()


def row(name, target, board, level, quantized, x):
    os.environ["BOARD"], os.environ["CFLAGS"] = board, f"-O{level}"
    layers = keras_alt.verify(quantized, x, engine="cortex-m", verbose=False).layers
    differing, total = (sum(getattr(r, key) for r in layers) for key in ("mismatches", "total"))
    costs = costs_on_board(quantized, x[:4])
    if costs.mismatches:
        raise SystemExit(f"{costs.mismatches} of {costs.total} codes of the counted program differ")
    numbers = (round(np.mean(costs.instructions)), costs.code, costs.constants, costs.memory)
    cells = [name, f"`{target}`", BOARDS[board].core, f"`-O{level}`", len(x)]
    cells += [f"{differing} of {total:,}", *(f"{n:,}" for n in (*numbers, costs.stack))]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
