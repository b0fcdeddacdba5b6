"""Train a router from random weights, and write it as a preset with its model card.

Examples:

    python examples/train_router.py --network router --name output/router_32 --output output/router
    python examples/train_router.py --network fcn --epochs 2 --output output/fcn
    python examples/train_router.py --network fcn_published --output output/fcn_published

The run draws its own nets: fresh ones, or the 50,000 of the published recipe. The output folder
keeps curves, pictures and checkpoints. After an interruption, the same command continues the run.
At the end, the network is measured on 10,000 nets of the validation split. Their seed differs from
that of the run. The figures are printed and written to the card. If the nets are fixed, the network
is measured on them too.
"""

import argparse
import dataclasses
import os
import pathlib
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow turns oneDNN off on processors without VNNI, but its convolutions are faster there.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

from keras_route.evaluation import HELD_OUT_SEED, evaluate
from keras_route.models.presets import save_preset
from keras_route.training.recipes import RECIPES
from keras_route.training.run import hours, train


def main():
    options = parse()
    given = {name: getattr(options, name) for name in ("epochs", "steps_per_epoch", "batch_size")}
    given = {name: value for name, value in given.items() if value is not None}
    recipe = dataclasses.replace(RECIPES[options.network], **given)
    size = {"height": options.size, "width": options.size}
    model = train(
        recipe,
        options.output,
        options.seed,
        options.validation,
        options.verbose,
        **size,
    )
    figures = measured(model, options.count, **size)
    for key, row in figures.items():
        print(f"{'all' if key == 'all' else f'{key} pins'}: {row}")
    if recipe.nets is not None:
        nets = {"seed": options.seed, "split": "train", "deduplicate": True, **size}
        print(f"nets trained on: {measured(model, recipe.nets, **nets)['all']}")
    if options.name:
        card = {
            "recipe": {**recipe.told(), **size},
            "seed": options.seed,
            "hardware": f"{options.hardware}, {keras.backend.backend()}",
            "hours": round(hours(options.output), 2),
            "metrics": {
                "nets": f"split='validation', seed={HELD_OUT_SEED}, repeated pins as published",
                **{str(key): dataclasses.asdict(row) for key, row in figures.items()},
            },
        }
        name = os.path.abspath(options.name)  # a name without a folder would mean a preset of the package
        save_preset(model, name, card)
        print(f"wrote {name}.json and {name}.weights.h5")


def measured(model, count, **options):
    progress = keras.utils.Progbar(count, unit_name="net")
    return evaluate(model, count, progress=progress.update, **options)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=sorted(RECIPES), default="router")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/router"))
    parser.add_argument("--name", help="of the preset to write, a path without suffix")
    parser.add_argument("--size", type=int, default=32, help="of the window in pixels")
    parser.add_argument("--epochs", type=int, help="of the recipe by default")
    parser.add_argument("--steps-per-epoch", type=int, help="of the recipe by default")
    parser.add_argument("--batch-size", type=int, help="of the recipe by default")
    parser.add_argument("--validation", type=int, default=2000, help="nets after each epoch")
    parser.add_argument("--count", type=int, default=10_000, help="held-out nets at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--hardware", default=f"{os.cpu_count()} x {platform.machine()}", help="told on the card"
    )
    parser.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="as in fit")
    return parser.parse_args()


if __name__ == "__main__":
    main()
