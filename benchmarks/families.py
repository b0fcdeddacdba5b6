"""Take the network families of the ALT paper through quantization, training and LiteRT.

Example:

    python benchmarks/families.py --only DarkNet19 YOLOv2 --modes static8 retrain4
    python benchmarks/families.py --markdown    # the tables of docs/results, of the finished rows

The networks come from `keras.applications` and from `examples/networks`. The modes are those of the
paper: `static8` is calibrated only, `retrain8` and `retrain4` are calibrated for training (weights
by three standard deviations) and trained by one step. With 4 bits, the first and the last kernel
have 8. As in the paper, the YOLOs are static only.

Weights and batch statistics are random: nothing here is an accuracy. Each row is measured in a
process of its own. The output file keeps finished rows, so that an interrupted run goes on where it
stopped.
"""

import argparse
import collections
import importlib
import json
import os
import pathlib
import resource
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from networks import randomize, size
from rows import measured, show

import keras_alt
from keras_alt.calibration import maximum, three_sigma
from keras_alt.graph import deep_recursion
from keras_alt.transforms import canonical

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples" / "networks"
# Height and width of the images: 32, or the smallest that the network permits.
APPLICATIONS = {
    **dict.fromkeys(("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152"), 32),
    **dict.fromkeys(("ResNet50V2", "ResNet101V2", "ResNet152V2"), 32),
    **dict.fromkeys(("MobileNet", "MobileNetV2"), 32),
    "InceptionV3": 75,
}
# File and function in `examples/networks`. YOLOv2 needs an even grid in front of its passthrough.
BUILT = {
    "ResNet50V1.5": ("resnet_v1_5", "resnet50_v1_5", 32),
    "ResNet101V1.5": ("resnet_v1_5", "resnet101_v1_5", 32),
    "ResNet152V1.5": ("resnet_v1_5", "resnet152_v1_5", 32),
    "InceptionV1": ("inception_v1", "inception_v1", 32),
    "InceptionV2": ("inception_v2", "inception_v2", 32),
    "InceptionV4": ("inception_v4", "inception_v4", 75),
    "DarkNet19": ("darknet19", "darknet19", 32),
    "YOLOv2": ("yolo_v2", "yolo_v2", 64),
    "YOLOv2-tiny": ("yolo_v2_tiny", "yolo_v2_tiny", 64),
}
MODES = {"static8": 8, "retrain8": 8, "retrain4": 4}
# What a quantizer within a layer is. Others belong to leaky ReLUs and average pools.
KINDS = {
    "kernel": "weights",
    "depthwise_kernel": "weights",
    "bias": "biases",
    "accumulator": "biases",  # of the sum, whose threshold the bias shares
    "output": "activations",
}
KINDS_SHOWN = ("weights", "biases", "activations", "internal")
COLUMNS = {
    "name": 14,
    "mode": 9,
    "M weights": 10,
    "weights": 8,
    "biases": 7,
    "activations": 12,
    "internal": 9,
    "quantize s": 11,
    "calibrate s": 12,
    "step s": 7,
    "export s": 9,
    "peak GB": 8,
    "transform": 10,
    "codes": 10,
    "differ": 7,
    "MB": 7,
}


def main():
    options = parse()
    if options.markdown:
        rows = map(json.loads, options.output.read_text().splitlines())
        print(tables([row for row in rows if "error" not in row]))
        return
    row = measured(options.output, __file__, "name", "mode")
    show(COLUMNS)
    for mode in options.modes:
        for name in options.only or [*APPLICATIONS, *BUILT]:
            if mode in modes(name):
                show(COLUMNS, row(name, mode))


def tables(rows):
    """Return two tables in Markdown: the networks with their quantizers, and all rows."""
    place = {name: i for i, name in enumerate([*APPLICATIONS, *BUILT])}
    rows = sorted(rows, key=lambda row: (place[row["name"]], list(MODES).index(row["mode"])))
    networks = [
        "| network | million parameters | weights | biases and sums | activations | in leaky ReLUs "
        "| `litert`: all quantizers | largest change by the transforms |",
        "|---" * 8 + "|",
    ]
    steps = [
        "| network | mode | `quantize_model` | `calibrate` | training step | export and verify "
        "| peak GB | file, MB | codes that differ |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        if "paper" in row:
            litert = sum(row.get(kind, 0) for kind in KINDS_SHOWN)
            paper = [row["paper"].get(kind, "") for kind in KINDS_SHOWN]
            cells = [row["name"], row["M weights"], *paper, litert, row["transform"]]
            networks.append(line(cells))
        seconds = [row.get(f"{step} s", "") for step in ("quantize", "calibrate", "step", "export")]
        differ = f"{row['differ']:,} of {row['codes']:,}"
        steps.append(line([row["name"], row["mode"], *seconds, row["peak GB"], row["MB"], differ]))
    return "\n".join([*networks, "", *steps])


def line(cells):
    return f"| {' | '.join(map(str, cells))} |"


def modes(name):
    return ["static8"] if name.startswith("YOLO") else list(MODES)


def network(name):
    """Return a network that ends in logits, with random statistics, and two images."""
    logits = {} if name.startswith("YOLO") else {"classifier_activation": None}
    if name in APPLICATIONS:
        pixels = APPLICATIONS[name]
        build, logits["weights"] = getattr(keras.applications, name), None
    else:
        file, function, pixels = BUILT[name]
        sys.path.insert(0, str(EXAMPLES))
        build = getattr(importlib.import_module(file), function)
    model = build(input_shape=(pixels, pixels, 3), **logits)
    randomize(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, pixels, pixels, 3)).astype("float32")
    return model, images


def check(name, mode):
    """Run all steps on one network; return its row."""
    keras.utils.set_random_seed(0)
    model, images = network(name)
    config = keras_alt.QuantizeConfig(target="litert", weights=MODES[mode])
    seconds = Stopwatch()
    quantized = keras_alt.quantize_model(model, config)
    seconds.lap("quantize s")
    rule = maximum if mode == "static8" else three_sigma
    keras_alt.calibrate(quantized, images, weights=rule, verbose=False)
    seconds.lap("calibrate s")
    if mode != "static8":
        train(quantized, images)
        seconds.lap("step s")
    with tempfile.TemporaryDirectory() as folder, deep_recursion():
        result = keras_alt.verify(
            quantized, images, engine="litert", bundle=f"{folder}/bundle", verbose=False
        )
        megabytes = sum(map(size, pathlib.Path(folder).glob("bundle/model/*.tflite"))) / 1e6
    seconds.lap("export s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {
        "name": name,
        "mode": mode,
        "M weights": round(model.count_params() / 1e6, 1),
        **kinds(quantized),
        **seconds.laps,
        "peak GB": round(peak, 1),
        "codes": sum(row.total for row in result.layers),
        "differ": sum(row.mismatches for row in result.layers),
        "MB": round(megabytes, 1),
    }
    if mode == "static8":
        row["transform"] = float(f"{difference(model, config, images):.1e}")
        row["paper"] = kinds(keras_alt.quantize_model(model, keras_alt.QuantizeConfig()))
    return row


def kinds(quantized):
    """Return the number of quantizers of each kind."""
    nodes = {layer for layer in quantized.layers if isinstance(layer, keras_alt.Quantizer)}
    return dict(
        collections.Counter(
            "activations" if quantizer in nodes else KINDS.get(quantizer.role, "internal")
            for quantizer in keras_alt.quantizers(quantized).values()
        )
    )


def train(quantized, images):
    """Train one step, without a compiled graph, towards random outputs."""
    shape = np.shape(quantized(images))
    targets = np.random.default_rng(1).normal(size=shape).astype("float32")
    quantized.compile(keras_alt.optimizers.alt(), "mse", run_eagerly=True)
    quantized.fit(images, targets, batch_size=2, verbose=0)


def difference(model, config, images):
    """Return the largest change of an output by the float transforms, relative to the largest."""
    expected = np.asarray(model(images))
    transformed = np.asarray(canonical(model, config)(images))
    return np.abs(transformed - expected).max() / np.abs(expected).max()


class Stopwatch:
    """CPU seconds between one lap and the next, of all threads: other processes do not count."""

    def __init__(self):
        self.laps, self._last = {}, time.process_time()

    def lap(self, name):
        now = time.process_time()
        self.laps[name], self._last = round(now - self._last, 1), now


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks only")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("families.jsonl"))
    parser.add_argument("--markdown", action="store_true", help="print tables of the rows")
    parser.add_argument("--check", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        print(json.dumps(check(*options.check)))
        sys.exit()
    return options


if __name__ == "__main__":
    main()
