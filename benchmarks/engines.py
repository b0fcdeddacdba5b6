"""Images a second of the engines that compute the same integers, by turns on one core.

Example:

    python benchmarks/engines.py --network resnet20 --rounds 5

Keras computes in float32, the integer engine in NumPy, C and LiteRT in the integers of a file. All
get the same images, one at a time, and Keras and the integer engine also get them as one batch. An
engine that is not installed is a row with the reason. `c.py` and `tflm.py` prove the codes.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measuring
import numpy as np
from step_networks import NETWORKS

import keras_alt
from keras_alt import integer
from keras_alt.engines.c.compiler import compiler

FLAGS = ("-std=gnu99", "-O3", "-march=native")
LOOP = """
#define main self_test
#include "net_test.c"
#undef main
int main(void)
{
    for (int i = 0; i < ROUNDS; i++)
        if (self_test())
            return 1;
    return 0;
}
"""


def main():
    options = parse()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    measuring.tell_environment()
    model = NETWORKS[options.network](keras)
    quantized = keras_alt.quantize_model(model, keras_alt.QuantizeConfig(target="litert"))
    shape = (options.images, *model.input_shape[1:])
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    keras_alt.calibrate(quantized, x, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        jobs, rows = {}, {}
        for name, maker in MAKERS.items():
            measuring.progress(f"{name}, first run")
            try:
                jobs[name] = maker(model, quantized, x, pathlib.Path(folder))
                jobs[name]()
            except (ImportError, FileNotFoundError, NotImplementedError) as error:
                jobs.pop(name, None)
                rows[name] = {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        measuring.progress(f"{len(x)} images, {options.rounds} times each")
        for name, times in measuring.interleaved(jobs, options.rounds, warm_up=0).items():
            rows[name] = measuring.statistics(times)
    show(rows, len(x))
    settings = {"network": options.network, "images": len(x)}
    measuring.write(options.output, [{"engine": n, **row} for n, row in rows.items()], **settings)


def show(rows, images):
    print(f"{'':34}{'images/s':>10}{'least':>10}{'most':>10}{'ms/image':>10}")
    for name, row in rows.items():
        if "error" in row:
            print(f"{name:34}{row['error']}")
            continue
        rates = [1e3 * images / row[key] for key in ("median_ms", "max_ms", "min_ms")]
        row |= dict(zip(("images_s", "images_s_least", "images_s_most"), rates, strict=True))
        cells = "".join(f"{rate:10,.1f}" for rate in rates)
        print(f"{name:34}{cells}{row['median_ms'] / images:10.3f}")


def each(function, x):
    """Call a function with one image at a time."""
    for image in np.split(x, len(x)):
        function(image)


def of_keras(model, quantized, x, folder):
    return lambda: each(quantized.predict_on_batch, x)


def of_keras_float(model, quantized, x, folder):
    return lambda: each(model.predict_on_batch, x)


def of_keras_batch(model, quantized, x, folder):
    return lambda: quantized.predict_on_batch(x)


def of_integers(model, quantized, x, folder):
    reading = integer.read(quantized)
    return lambda: each(lambda image: integer.run(reading, image, verbose=False), x)


def of_integers_batch(model, quantized, x, folder):
    reading = integer.read(quantized)
    return lambda: integer.run(reading, x, verbose=False)


def of_c(model, quantized, x, folder):
    """Return the job of the exported C, which runs its own self-test once for each image."""
    keras_alt.export.to_c(quantized, folder / "c", x[:1], name="net")
    (folder / "c/loop.c").write_text(LOOP)
    command = [compiler(), *FLAGS, f"-DROUNDS={len(x)}", "net.c", "loop.c", "-o", "loop"]
    subprocess.run(command, cwd=folder / "c", check=True)
    return lambda: subprocess.run(
        [folder / "c/loop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )


def of_litert(model, quantized, x, folder):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        str(keras_alt.export.to_litert(quantized, folder / "net.tflite")), num_threads=1
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()

    def run(image):
        interpreter.set_tensor(given["index"], image.astype(given["dtype"]))
        interpreter.invoke()

    return lambda: each(run, x)


MAKERS = {
    "Keras float": of_keras_float,
    "Keras, quantized": of_keras,
    "Keras, quantized, one batch": of_keras_batch,
    "integer engine": of_integers,
    "integer engine, one batch": of_integers_batch,
    f"C {' '.join(FLAGS[1:])}": of_c,
    "LiteRT INT8": of_litert,
}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=NETWORKS, default="resnet20")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    measuring.add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
