"""Convert every network of tf_keras.applications with 2-D convolutions to Keras 3.

Example:

    python benchmarks/tfmot_applications.py
    python benchmarks/tfmot_applications.py --networks MobileNet EfficientNetB0

Prints the largest output difference on random images, relative to the largest output. If a
conversion fails, prints the reason: `to_keras3` compares every layer. Weights and batch statistics
are random, so some networks amplify the rounding errors of float32. Each network runs in its own
process.
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    options = parse()
    if options.only:
        print(json.dumps(moved(options.only, options.size)))
        return
    failed = 0
    print(f"{'':22}{'layers':>7}{'million weights':>17}{'difference':>12}{'seconds':>9}")
    for name in options.networks or networks():
        command = [sys.executable, __file__, "--only", name]
        command += ["--size", str(options.size)] if options.size else []
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            failed += 1
            print(f"{name:22} fails: {process.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        layers, weights, difference, seconds = json.loads(process.stdout.splitlines()[-1])
        print(
            f"{name:22}{layers:7}{weights / 1e6:17.1f}{difference:12.1e}{seconds:9.1f}", flush=True
        )
    print(f"{failed} failed")
    sys.exit(failed > 0)


def networks():
    """Return the names of the networks."""
    from keras_alt.tfmot.packages import imported

    applications = imported()[1].applications
    return [name for name in sorted(vars(applications)) if name[0].isupper()]


def moved(name, size):
    """Return `(layers, weights, largest relative output difference, seconds)`."""
    import numpy as np

    import keras_alt
    from keras_alt.tfmot.packages import imported

    shape = {} if size is None else {"input_shape": (size, size, 3), "include_top": False}
    model = getattr(imported()[1].applications, name)(weights=None, **shape)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "moving_mean" in weight.name:
            weight.assign(rng.normal(0, 0.1, weight.shape))
        elif "moving_variance" in weight.name:
            weight.assign(rng.uniform(0.9, 1.1, weight.shape))
    started = time.perf_counter()
    result, _, _ = keras_alt.tfmot.to_keras3(model)
    seconds = time.perf_counter() - started
    open_as_224 = [length or 224 for length in model.input_shape[1:]]
    x = rng.uniform(0, 255, (1, *open_as_224)).astype("float32")
    expected, received = model(x).numpy(), np.asarray(result(x))
    difference = float(np.abs(expected - received).max() / np.abs(expected).max())
    return len(model.layers), model.count_params(), difference, seconds


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", help="names; by default all")
    parser.add_argument("--size", type=int, help="of the images, without the top; else the default")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
