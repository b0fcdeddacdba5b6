"""Route a dozen nets that the network never saw, and write them as pictures and as a layout.

Example:

    python examples/route_nets.py --output output/route

Prints the length of each net against the shortest tree, its vias and its resistance, and the number
of nets that equal those of the layout rule. Then routes the same nets around a blocked square.
Writes nets.gds, nets.def, nets.json, nets.svg, around.svg and nets.png. In nets.png, the nets of
the layout rule are above the routed nets. Exits with 1 if a net breaks a rule. Takes seconds.
"""

import argparse
import dataclasses
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import keras_route
from keras_route.cli.tables import nets_table
from keras_route.formats.net_names import names_in_layout
from keras_route.formats.writers import writer
from keras_route.layout.pictures import write_comparison
from keras_route.models.loading import load_network

BLOCKED = slice(12, 20)  # rows and columns of the square that no wire may enter


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    model = load_network(options.model)
    x, labels = keras_route.generate(
        options.count, seed=options.seed, deduplicate=True, split="validation"
    )

    nets = named(keras_route.route(model, x))
    print(f"{nets_table(nets)}\n")
    same = sum(np.array_equal(net.to_labels(), y) for net, y in zip(nets, labels, strict=True))
    right = sum(not net.repaired for net in nets)
    print(
        f"{same} of {len(nets)} nets are what the layout rule draws; {right} were legal as the "
        "network decided them"
    )

    blocked = np.zeros(x.shape[1:3], bool)
    blocked[BLOCKED, BLOCKED] = True
    free = [i for i, image in enumerate(x[..., 0]) if not (blocked & (image > 0)).any()]
    around = named(keras_route.route(model, x[free], blocked=blocked))
    print(f"{len(around)} nets without a pin in the blocked square were routed around it")

    for suffix in ("gds", "def", "json", "svg"):
        writer(f"nets.{suffix}")(nets, options.output / f"nets.{suffix}")
    writer("around.svg")(around, options.output / "around.svg")
    routed = np.stack([net.to_labels() for net in nets])
    write_comparison(labels, routed, options.output / "nets.png", columns=4)
    print(f"wrote {', '.join(sorted(path.name for path in options.output.iterdir()))}")

    faults = [fault for net in nets for fault in keras_route.check(net)]
    faults += [fault for net in around for fault in keras_route.check(net, blocked)]
    print(f"broken rules: {len(faults)}")
    if faults:
        raise SystemExit("\n".join(map(str, faults)))


def named(nets):
    return [
        dataclasses.replace(net, name=name)
        for net, name in zip(nets, names_in_layout(nets), strict=True)
    ]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="router_32", help="preset, or a .keras file")
    parser.add_argument("--count", type=int, default=12, help="of nets")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/route"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
