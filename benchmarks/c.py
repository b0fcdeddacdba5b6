"""Prove the exported C of real networks, and time it beside LiteRT.

    python benchmarks/c.py --data DIR --networks resnet8 kws --targets paper litert
    python benchmarks/c.py --data DIR --networks resnet8 --targets litert --time

`DIR` has the `.keras` files of `NETWORKS` and `cifar10_lossless.npz`. Networks are calibrated, not
trained. Each row tells how many codes differ from those of Keras, at every quantizer and output,
and the bytes: `text` and `rodata` of the object file (`-O2`), constants and arena by the header.
With `--time`, one core computes images, one at a time, by C, by LiteRT's INT8 file of the same
network and by LiteRT's float file of the original.
"""

import argparse
import os
import pathlib
import re
import subprocess
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_alt
from keras_alt.engines.c.compiler import compiler

SECONDS = 3  # that each engine runs


def cifar(data, count):
    with np.load(data / "cifar10_lossless.npz") as file:
        return file["x_test"][:count].astype("float32")


def normalized(data, count):
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return ((cifar(data, count) / 255 - mean) / deviation).astype("float32")


def enlarged(data, count):
    images = keras.ops.image.resize(cifar(data, count), (96, 96), interpolation="bilinear")
    return keras.ops.convert_to_numpy(images) / 127.5 - 1


def random(*shape, low, high):
    """Return a source of smooth random inputs: sums along the first axis, brought into a range."""

    def draw(data, count):
        x = np.random.default_rng(0).normal(size=(count, *shape)).cumsum(axis=1)
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


def main():
    options = arguments()
    print("| network | target | samples | codes that differ | text | rodata | constants | arena |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.networks:
        file, inputs = NETWORKS[name]
        model = keras.models.load_model(options.data / file, compile=False)
        x = inputs(options.data, options.samples)
        for target in options.targets:
            quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target=target))
            keras_alt.calibrate(quantized, x[:64], verbose=False)
            row(name, target, quantized, x)
            if options.time:
                timed(model, quantized, x[:64], target)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--targets", nargs="+", default=["paper", "litert", "onnx", "hls"])
    parser.add_argument("--samples", type=int, default=100)
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
