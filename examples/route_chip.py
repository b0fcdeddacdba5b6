"""Route all nets of a placed chip, and prove that no two of them touch.

Examples:

    python examples/route_chip.py --data gcd.npz --output output/chip
    python examples/route_chip.py --def gcd.def --lef Nangate45.lef --output output/chip

The npz file holds pin_xy_um (P, 2), net_offset (N + 1), net_name (N) and die_um (4), in micrometres
with y upwards. Instead, give the DEF file of a placed design and the LEF files of its cells.

Prints the share of connected nets, each net that is not routed with the reason, the length against
the shortest trees, shorts between nets, broken rules, and nets per second. Writes chip.gds,
chip.def and chip.png. Exits with 1 if there is a short, a broken rule, or metal off the die.

All pins count as pins on m2. Supply wires, blockages and obstacles in cells are not read, so only
shorts between nets are found.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_route
from keras_route.formats.lefdef import read_def
from keras_route.models.loading import load_network


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    nets, die_um = read(options)
    model = load_network(options.model)
    progress = keras.utils.Progbar(len(nets), unit_name="net")
    started = time.perf_counter()
    chip = keras_route.route_chip(model, nets, die_um, options.pitch, progress=progress.update)
    seconds = time.perf_counter() - started
    print(f"\n{chip.grid.columns} x {chip.grid.rows} tracks, {len(chip.nets) / seconds:.0f} nets/s")
    print(chip.report())
    for suffix in ("gds", "def", "png"):
        path = options.output / f"chip.{suffix}"
        try:
            chip.write(path)
            print(f"wrote {path}")
        except ImportError as error:
            print(f"{path}: {error}")
    if chip.faults:
        raise SystemExit(f"{len(chip.faults)} shorts, broken rules and places off the tracks")


def read(options):
    """Return the positions of each net's pins, and the die."""
    if options.smoke:
        return random_nets(), (0.0, 0.0, 15.0, 15.0)
    if options.data is None:
        design = read_def(options.def_file, *options.lef)
        return design.nets, design.die_um
    with np.load(options.data) as file:
        positions = np.split(file["pin_xy_um"], file["net_offset"][1:-1])
        return dict(zip(file["net_name"].tolist(), positions, strict=True)), file["die_um"]


def random_nets(count=60, side=15.0):
    """Return random pins; a few nets are as long as the die."""
    rng = np.random.default_rng(0)
    nets = {}
    for i in range(count):
        reach = side if i % 10 == 0 else side / 5
        corner = rng.uniform(0, side - reach, 2) if reach < side else np.zeros(2)
        nets[f"net{i}"] = corner + rng.uniform(0, reach, (rng.integers(2, 8), 2))
    return nets


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="npz file of pins")
    parser.add_argument("--def", type=pathlib.Path, help="placed design", dest="def_file")
    parser.add_argument("--lef", type=pathlib.Path, nargs="+", default=[], help="its cells")
    parser.add_argument("--model", default="router_32", help="preset, or a .keras file")
    parser.add_argument("--pitch", type=float, default=0.19, help="of the tracks, micrometres")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/chip"))
    parser.add_argument("--smoke", action="store_true", help="random pins, for tests")
    options = parser.parse_args()
    if not options.smoke and (options.data is None) == (options.def_file is None):
        parser.error("give the pins of a chip: either --data, or --def with --lef")
    return options


if __name__ == "__main__":
    main()
