"""Prove the files of target "tflm" on real networks, and tell the memory that TFLM uses.

    python benchmarks/tflm.py --data DIR --networks resnet8 kws --samples 100

`DIR` is that of `real_networks.py`. Networks are calibrated, not trained. A row tells how many
codes differ from those of Keras, at every quantizer and output, the size of the file, and the bytes
of the arena that TFLM uses for it.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from real_networks import add_arguments, calibrated

import keras_alt
from keras_alt.engines.tflm.arena import arena_bytes

ENGINES = ("tflm", "litert-reference")


def main():
    options = arguments()
    print("| network | engine | samples | codes that differ | outputs that differ | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        _, quantized, x = calibrated(name, options.target, options.data, options.samples)
        for engine in options.engines:
            row(name, engine, quantized, x)
        with tempfile.TemporaryDirectory() as folder:
            path = keras_alt.export.to_litert(quantized, f"{folder}/net.tflite")
            size = os.path.getsize(path)
            print(f"{name}: file of {size} bytes, arena of {arena_bytes(path)} bytes", flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--target", default="tflm")
    return parser.parse_args()


def row(name, engine, quantized, x):
    start = time.perf_counter()
    result = keras_alt.verify(quantized, x, engine=engine, verbose=False)
    seconds = time.perf_counter() - start
    counts = [
        f"{sum(r.mismatches for r in rows)} of {sum(r.total for r in rows)}"
        for rows in (result.layers, result.outputs)
    ]
    print(f"| {name} | {engine} | {len(x)} | {' | '.join(counts)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
