"""Draw a random placed design, route it, and have klayout check the result.

Example:

    python examples/route_chip.py --nets 400 --output output/chip

Writes the design as LEF and DEF, routed.def, a picture, and what the check found. For a design of
your own, see `keras-route chip --help`, which does the same from the command line. Exits with 1 if
a net is not routed or a rule is broken.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


import keras_route
from keras_route.drc.check import check_routed_def
from keras_route.drc.reports import write_lyrdb, write_metrics
from keras_route.formats.lefdef import read_design
from keras_route.formats.lefdef.outlines import read_outlines
from keras_route.layout.chip_picture import write_chip_picture
from keras_route.progress import progress_bar
from keras_route.random_design.files import write_random_design


def main():
    options = parse()
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    technology, cells, placed = write_random_design(folder, options.nets, seed=options.seed)
    design = read_design(placed, technology, cells)
    chip = keras_route.route_chip(design, progress=progress_bar(len(design.nets)).update)
    print(f"\n{chip.report()}")
    chip.write_def(placed, folder / "routed.def")
    outlines = read_outlines(placed, technology, cells)
    write_chip_picture(design, chip.wires, folder / "chip.png", outlines)
    found = check_routed_def(folder / "routed.def", technology, cells)
    write_metrics(found, folder / "metrics.json")
    write_lyrdb(found, folder / "drc.lyrdb")
    print(f"checked by klayout: {len(found.opens)} opens, {len(found.violations)} violations")
    print(f"wrote {folder}")
    if chip.not_routed or not found.clean:
        raise SystemExit(1)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/chip"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
