"""Prove the exported C of real networks, and time it beside LiteRT.

    python benchmarks/c.py --data DIR --networks resnet8 kws --targets paper litert
    python benchmarks/c.py --data DIR --networks resnet8 --targets litert --time

`DIR` is that of `real_networks.py`. Networks are calibrated, not trained. Each row tells how many
codes differ from those of Keras, at every quantizer and output, and the bytes: `text` and `rodata`
of the object file (`-O2`), constants and arena by the header. With `--time`, one core computes
images, one at a time, by C, by LiteRT's INT8 file of the same network and by LiteRT's float file of
the original.
"""

import argparse
import os
import pathlib
import re
import subprocess
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from real_networks import add_arguments, calibrated

import keras_alt
from keras_alt.engines.c.compiler import compiler

SECONDS = 3  # that each engine runs


def main():
    options = arguments()
    print("| network | target | samples | codes that differ | text | rodata | constants | arena |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        for target in options.targets:
            model, quantized, x = calibrated(name, target, options.data, options.samples)
            row(name, target, quantized, x)
            if options.time:
                timed(model, quantized, x[:64], target)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--targets", nargs="+", default=["paper", "litert", "onnx", "hls"])
    parser.add_argument("--time", action="store_true")
    return parser.parse_args()


def row(name, target, quantized, x):
    result = keras_alt.verify(quantized, x, engine="c", verbose=False)
    layers = [*result.layers]
    differing, total = (sum(getattr(r, key) for r in layers) for key in ("mismatches", "total"))
    with tempfile.TemporaryDirectory() as folder:
        path = keras_alt.export.to_c(quantized, f"{folder}/c", name="net")
        header = pathlib.Path(path, "net.h").read_text()
        bytes = dict(re.findall(r"#define NET_(\w+)_BYTES (\d+)", header))
        text, rodata = sections(path)
    sizes = f"{text} | {rodata} | {bytes['CONSTANT']} | {bytes['ARENA']}"
    print(f"| {name} | {target} | {len(x)} | {differing} of {total} | {sizes} |", flush=True)


def sections(path):
    """Return the bytes of code and of constants that the compiler makes of the source."""
    subprocess.run([compiler(), "-std=c99", "-O2", "-c", "net.c"], cwd=path, check=True)
    told = subprocess.run(["size", "-A", "net.o"], cwd=path, capture_output=True, text=True)
    sizes = re.findall(r"^\.(\S+)\s+(\d+)", told.stdout, re.MULTILINE)
    return [sum(int(n) for name, n in sizes if name.startswith(k)) for k in ("text", "rodata")]


def timed(model, quantized, x, target):
    """Print the images that one core computes in a second."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        keras_alt.export.to_c(quantized, f"{folder}/c", x[:1], name="net")
        for flags in ("-O2", "-O3", "-O3 -march=native"):
            print(f"C {flags}: {of_c(folder, flags):.0f} images a second", flush=True)
        if target == "litert":
            path = keras_alt.export.to_litert(quantized, f"{folder}/net.tflite")
            print(f"LiteRT INT8: {of_litert(path, x):.0f} images a second", flush=True)
            model.export(f"{folder}/float", format="tf_saved_model", verbose=False)
            path = float_file(f"{folder}/float")
            print(f"LiteRT float: {of_litert(path, x):.0f} images a second", flush=True)


LOOP = """
#include <stdio.h>
#include <time.h>
#define main self_test
#include "net_test.c"
#undef main
int main(void)
{
    long images = 0;
    const clock_t start = clock();
    while (clock() - start < SECONDS * CLOCKS_PER_SEC) {
        if (self_test())
            return 1;
        images++;
    }
    fprintf(stderr, "%f", (double)images * CLOCKS_PER_SEC / (double)(clock() - start));
    return 0;
}
"""


def of_c(folder, flags):
    folder = pathlib.Path(folder, "c")
    (folder / "loop.c").write_text(LOOP)
    command = [compiler(), "-std=gnu99", f"-DSECONDS={SECONDS}", *flags.split()]
    subprocess.run([*command, "net.c", "loop.c", "-o", "loop"], cwd=folder, check=True)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    done = subprocess.run([folder / "loop"], **pipes, text=True, check=True)
    return float(done.stderr)


def float_file(folder):
    import tensorflow as tf

    path = f"{folder}.tflite"
    pathlib.Path(path).write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    return path


def of_litert(path, x):
    """Return images a second of one thread, by its own time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    image = x[:1].astype(given["dtype"])
    interpreter.set_tensor(given["index"], image)
    interpreter.invoke()
    images, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SECONDS:
        interpreter.invoke()
        images += 1
    return images / spent


if __name__ == "__main__":
    main()
