"""Train a router on what the search finds beside obstacles, and write it as a preset.

Examples:

    keras-route generate windows.npz --labels search --count 24000 --split train
    python examples/train_search_router.py windows.npz --name output/router_search_32

The output folder keeps the state and a log. After an interruption, the same command continues the
run. At the end, the nets that `route` makes with the network are compared with those of the search,
on windows of the validation split. The figures are printed and written to the card.
"""

import argparse
import dataclasses
import os
import pathlib
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# oneDNN convolutions are faster, but TensorFlow turns them off on processors without VNNI.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

from keras_route.evaluation import HELD_OUT_SEED
from keras_route.models.presets import save_preset
from keras_route.training.run import hours
from keras_route.training.search_evaluation import evaluate_search
from keras_route.training.search_labels import read_search_labels, search_labels
from keras_route.training.search_run import train_on_search


def main():
    options = parse()
    labels = read_search_labels(options.windows)
    validation = search_labels(
        dataclasses.replace(labels.family, split="validation"), 1, 0, options.validation
    )
    settings = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "rate": options.rate,
        "on_weight": options.on_weight,
        "seed": options.seed,
    }
    model = train_on_search(
        labels, options.output, validation=validation, verbose=options.verbose, **settings
    )
    figures = evaluate_search(model, options.count)
    for key, row in figures.items():
        print(f"{key}: {row}")
    if options.name:
        family = dataclasses.asdict(labels.family)
        scope = ("height", "width", "window_um", "min_pins", "max_pins", "most_blocked")
        card = {
            "recipe": {"network": "SearchRouter", "windows": len(labels), **settings},
            "seed": options.seed,
            "hardware": f"{options.hardware}, {keras.backend.backend()}",
            "hours": round(hours(options.output), 2),
            "trained_on": {name: family[name] for name in scope},
            "metrics": {
                "nets": f"split='validation', seed={HELD_OUT_SEED}, {options.count} of each kind",
                **{key: dataclasses.asdict(row) for key, row in figures.items()},
            },
        }
        name = os.path.abspath(options.name)  # a bare name would be a preset of the package
        save_preset(model, name, card)
        print(f"wrote {name}.json and {name}.weights.h5")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("windows", type=pathlib.Path, help="of `keras-route generate`")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/search_router"))
    parser.add_argument("--name", help="of the preset to write, a path without suffix")
    parser.add_argument("--epochs", type=int, default=24, help="of 500 updates")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3, help="largest learning rate")
    parser.add_argument("--on-weight", type=float, default=2.0, help="of the loss")
    parser.add_argument("--validation", type=int, default=256, help="windows after each epoch")
    parser.add_argument("--count", type=int, default=30, help="windows of each kind at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--hardware", default=f"{os.cpu_count()} x {platform.machine()}", help="told on the card"
    )
    parser.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="as in fit")
    return parser.parse_args()


if __name__ == "__main__":
    main()
