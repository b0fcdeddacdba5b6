"""Route a dozen nets that the network never saw, and write them as pictures and as a layout.

Example:

    python examples/route_nets.py --output output/route

Prints each net's length relative to the shortest tree, its vias and its resistance. Also prints the
number of nets that equal those of the layout rule. Then routes the same nets around a blocked
square. Writes nets.gds, nets.def, nets.json, nets.svg, around.json, around.svg and nets.png. In
nets.png, the nets of the layout rule are above the routed nets. results.json has the figures, for
`demo_page.py`. Exits with 1 if a net breaks a rule. Takes seconds.
"""

import argparse
import dataclasses
import os
import pathlib
import shlex
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from demo_results import Made, command, write_results

import keras_route
from keras_route.cli.tables import nets_table
from keras_route.formats.net_names import names_in_layout
from keras_route.formats.writers import writer
from keras_route.layout.pictures import COLOURS, write_comparison
from keras_route.models.loading import load_network
from keras_route.technology.layers import LAYERS, METALS, VIAS

BLOCKED = slice(12, 20)  # rows and columns of the blocked square


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    model = load_network(options.model)
    x, labels = keras_route.generate(
        options.count, seed=options.seed, deduplicate=True, split="validation"
    )

    nets = keras_route.route(model, x)
    names = names_in_layout(nets)
    nets = named(nets, names)
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
    around = keras_route.route(model, x[free], blocked=blocked)
    around = named(around, [names[i] for i in free])
    print(f"{len(around)} nets without a pin in the blocked square were routed around it")

    write(nets, around, labels, blocked, options.output)
    faults = [fault for net in nets for fault in keras_route.check(net)]
    faults += [fault for net in around for fault in keras_route.check(net, blocked)]
    figures = {
        "command": command("python", *sys.argv),
        "network": options.model,
        "nets": len(nets),
        "as_the_rule": same,
        "as_decided": right,
        "drawn": [row(net) for net in nets],
        "around": [row(net, "around") for net in around],
        "blocked": {"start": BLOCKED.start, "stop": BLOCKED.stop, "size": len(blocked)},
        "faults": len(faults),
        "layers": legend(),
    }
    write_results(options.output, figures, made(options))
    print(f"wrote {', '.join(sorted(path.name for path in options.output.iterdir()))}")
    print(f"broken rules: {len(faults)}")
    if faults:
        raise SystemExit("\n".join(map(str, faults)))


def write(nets, around, labels, blocked, folder):
    for suffix in ("gds", "def", "json", "svg"):
        writer(f"nets.{suffix}")(nets, folder / f"nets.{suffix}")
    for suffix in ("json", "svg"):
        writer(f"around.{suffix}")(around, folder / f"around.{suffix}")
    np.save(folder / "blocked.npy", blocked)
    for name, group in (("nets", nets), ("around", around)):
        (folder / name).mkdir(exist_ok=True)
        for net in group:
            net.to_svg(folder / name / f"{net.name}.svg")
    routed = np.stack([net.to_labels() for net in nets])
    write_comparison(labels, routed, folder / "nets.png", columns=4)


def row(net, folder="nets"):
    """Return what the page says of a net, and its picture."""
    return {
        "name": net.name,
        "picture": f"{folder}/{net.name}.svg",
        "pins": len(net.pins),
        "wire_um": net.wire_length,
        "shortest_um": net.steiner_length,
        "vias": len(net.vias),
        "ohm": net.resistance(),
        "changed": net.changed,
    }


def legend():
    """Return the colour of each layer, and what it is for."""
    kinds = {"pin": "a pin, on the metal below"}
    for name, metal in METALS.items():
        kinds[name] = f"metal, wires run {'across' if metal.horizontal else 'up and down'}"
    kinds |= {name: f"vias between {via.below} and {via.above}" for name, via in VIAS.items()}
    return [{"name": name, "colour": COLOURS[name], "is": kinds[name]} for name in LAYERS]


def made(options):
    """Return the files in the output folder, with the commands that prove them."""
    folder = options.output
    check = command("keras-route", "check", folder / "nets.json")
    blocked = ("--blocked", folder / "blocked.npy")
    around = command("keras-route", "check", folder / "around.json", *blocked)
    again = command("python", *sys.argv, "--output", f"{folder}_again")
    same = {
        name: f"{again} && {shlex.join(['cmp', str(folder / name), f'{folder}_again/{name}'])}"
        for name in ("nets.gds", "nets.def")
    }
    return [
        Made("nets.json", "wires and vias of each net", check),
        Made("around.json", "nets around the blocked square", around),
        Made(
            "nets.gds",
            "layout with the stacks of vias, for layout tools",
            same["nets.gds"],
        ),
        Made("nets.def", "routed nets, for place and route", same["nets.def"]),
        Made("nets.svg", "all nets as one picture"),
        Made("nets.png", "nets of the layout rule above the routed nets"),
    ]


def named(nets, names):
    return [dataclasses.replace(net, name=name) for net, name in zip(nets, names, strict=True)]


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
