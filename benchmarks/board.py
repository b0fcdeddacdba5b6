"""Prove the exported C of real networks on emulated Cortex-M boards, and tell what it costs there.

    python benchmarks/board.py --data DIR --networks resnet8 kws --samples 16

`DIR` is that of `real_networks.py`. Networks are calibrated, not trained. Each row tells how
many codes differ from those of Keras, at every quantizer and output; instructions of an inference;
bytes of code and constants (flash), and of static memory and stack (RAM) that the network needs.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from real_networks import add_arguments, calibrated

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
        for target in options.targets:
            _, quantized, x = calibrated(name, target, options.data, options.samples)
            for board in options.boards:
                for level in options.levels:
                    row(name, target, board, level, quantized, x)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, ("resnet8", "kws"), samples=16)
    parser.add_argument("--targets", nargs="+", default=["litert"])
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=list(BOARDS))
    parser.add_argument("--levels", nargs="+", default=["2", "3"], help="of optimization")
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
