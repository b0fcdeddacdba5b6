"""Route all nets of a placed chip, and prove that no two of them touch.

Examples:

    python examples/route_chip.py --data gcd.npz --output output/chip
    python examples/route_chip.py --def gcd.def --lef Nangate45.lef --output output/chip

The npz file holds pin_xy_um (P, 2), net_offset (N + 1), net_name (N) and die_um (4): micrometres, y
upwards. The DEF file of a placed design and the LEF files of its cells do as well.

The network decides nets that fit its window of 32 pixels. Where an earlier wire is in the way, the
cheapest free way near its decision is searched. Larger nets get a window of their own size, where
resistance alone counts: the network never saw such spans. A net that finds no way pushes aside
those where that costs least, and they are routed again.

Prints what share is connected, shorts between nets, broken rules, length against the shortest
trees, and nets per second; names every net that is not routed, with the reason. Writes chip.gds,
chip.def and chip.png. Exits with 1 if there is a short, a broken rule, or metal off the die.

All pins count as pins on m2. Supply wires, blockages, and obstacles inside of cells are not read:
shorts are those between the nets.
"""

import argparse
import pathlib
import time

import keras
import numpy as np

import keras_route
from keras_route.chip.chip_router import ChipRouter
from keras_route.chip.grid import Grid, Placed, access_points, off_tracks, shorts
from keras_route.chip.guide import guides
from keras_route.data.random_nets import draw_net
from keras_route.formats.gds import write_gds
from keras_route.formats.lefdef import Design, read_def, write_def
from keras_route.layout.checking import check
from keras_route.layout.net import Net
from keras_route.layout.pictures import write_png
from keras_route.layout.steiner import MOST_POINTS
from keras_route.models.comparator import scores_of
from keras_route.pins import pins_of

PICTURE_DOTS = 2000  # of a side, about


def main():
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    design = read(options)
    if not design.nets:
        raise SystemExit(f"{design.name} has no net of two pins or more: nothing to route")
    grid = Grid.over(design.die_um, options.pitch)
    print(f"{design.name}: {len(design.nets)} nets, {grid.columns} x {grid.rows} tracks")
    pins, left_out = access(grid, design.nets)
    model = network(options)
    started = time.perf_counter()
    known = guides(model, grid, list(pins.values()))
    print(f"network: {len(known)} nets fit its window, {time.perf_counter() - started:.1f} s")
    chip = ChipRouter(grid, list(pins.values()), known, list(pins))
    progress = keras.utils.Progbar(len(pins), unit_name="net")
    given_up = chip.route(progress.update)
    seconds = time.perf_counter() - started
    placed = list(chip.placed.values())
    left_out |= {chip.names[net]: reason for net, reason in given_up.items()}
    print(
        f"\nconnected: {len(placed)} of {len(design.nets)} nets "
        f"({len(placed) / len(design.nets):.2%}), {len(placed) / seconds:.0f} nets/s"
    )
    for name, reason in left_out.items():
        print(f"  not routed: {name}: {reason}")
    ways(chip)
    lengths([item.net for item in placed])
    write(grid, placed, options.output, design.die_um)
    faults = proof(chip)
    if faults:
        raise SystemExit(f"{faults} shorts, broken rules and places off the tracks")


def access(grid, nets):
    """Return the pixels of each net to route, and the reasons why others cannot be."""
    owners = np.repeat(np.arange(len(nets)), [len(net) for net in nets.values()])
    exact = grid.pixels(np.concatenate(list(nets.values())))
    points = access_points(exact, owners, grid)
    away = np.abs(points + 0.5 - exact).max(axis=1)[points[:, 0] >= 0]
    print(
        f"{len(exact)} pins: {np.count_nonzero(away > 0.5 + 1e-6)} share their pixel with another "
        f"net's pin and take one beside it; none is over {grid.um_per_px * away.max():.2f} um from "
        "its pixel in x or y, which m2 has to bridge and no file shows"
    )
    pins, left_out = {}, {}
    for i, name in enumerate(nets):
        places = np.unique(points[owners == i], axis=0)
        if (places < 0).any():
            left_out[name] = "other nets' pins have all pixels around one of its pins"
        elif len(places) < 2:
            left_out[name] = "has fewer than two pixels to join"
        else:
            pins[name] = places
    return pins, left_out


def ways(chip):
    """Print who decided how many nets."""
    routed, guided = set(chip.placed), set(chip.guides)
    searched = routed & chip.searched
    print(
        f"{len(routed - searched)} as the network's scores favour, {len(searched & guided)} by a "
        f"search near them, {len(searched - guided)} by resistance alone; nets were pushed aside "
        f"{chip.takes.total()} times"
    )


def lengths(nets):
    """Print the length of all wires, and against the shortest trees."""
    compared = [net for net in nets if len(net.pins) <= MOST_POINTS]
    length = sum(net.wire_length for net in compared)
    shortest = sum(net.steiner_length for net in compared)
    ratio = (
        f"{length / shortest:.4f} of the shortest trees for the {len(compared)} nets of up to "
        f"{MOST_POINTS} pins"
        if compared
        else f"none has as few as {MOST_POINTS} pins, to compare with the shortest trees"
    )
    print(f"length: {sum(net.wire_length for net in nets):.0f} um; {ratio}")


def proof(chip):
    """Print how many places two nets share, counted anew from wires and vias; return faults."""
    placed = list(chip.placed.values())
    size = chip.grid.size
    for index, pins in enumerate(chip.pins):
        if index not in chip.placed:  # it still has its pins
            bare = Net(tuple(map(tuple, pins.tolist())), (), (), size, size, name=chip.names[index])
            placed.append(Placed(bare, 0, 0))
    shared = shorts(placed)
    broken = [violation for item in chip.placed.values() for violation in check(item.net)]
    off = off_tracks(chip.placed.values(), chip.grid)
    print(
        f"shorts between nets: {len(shared)}; broken rules: {len(broken)}; off the die: {len(off)}"
    )
    for place, nets in shared.items():
        print(f"  {place}: {', '.join(placed[net].net.name for net in nets)}")
    for violation in [*broken, *off]:
        print(f"  {violation}")
    return len(shared) + len(broken) + len(off)


def write(grid, placed, folder, die_um):
    """Write layout files and a picture of the whole chip."""
    nets, corners = [item.net for item in placed], [grid.corner_um(item) for item in placed]
    image = np.zeros((grid.size, grid.size, 8), "uint8")
    for item in placed:
        rows, columns = (
            slice(item.y, item.y + item.net.height),
            slice(item.x, item.x + item.net.width),
        )
        image[rows, columns] |= item.net.to_labels()
    files = {
        "chip.gds": lambda path: write_gds(nets, path, corners),
        "chip.def": lambda path: write_def(nets, path, corners, die_um),
        "chip.png": lambda path: write_png(image, path, max(1, PICTURE_DOTS // grid.size)),
    }
    for name, writer in files.items():
        try:
            writer(folder / name)
            print(f"wrote {folder / name}")
        except ImportError as error:
            print(f"{name}: {error}")


def read(options):
    """Return the placed design."""
    if options.smoke:
        return synthetic()
    if options.data is None:
        return read_def(options.def_file, *options.lef)
    with np.load(options.data) as file:
        positions = np.split(file["pin_xy_um"], file["net_offset"][1:-1])
        nets = dict(zip(file["net_name"].tolist(), positions, strict=True))
        return Design(options.data.stem, tuple(file["die_um"].tolist()), nets)


def synthetic(count=60, side=15.0):
    """Return a design of random pins, a few of its nets as long as the die."""
    rng = np.random.default_rng(0)
    reach = np.where(np.arange(count) % 10 == 0, side, side / 5)
    nets = {}
    for i in range(count):
        corner = rng.uniform(0, side - reach[i], 2) if reach[i] < side else np.zeros(2)
        nets[f"net{i}"] = corner + rng.uniform(0, reach[i], (rng.integers(2, 8), 2))
    return Design("synthetic", (0.0, 0.0, side, side), nets)


class LayoutRule:
    """Scores as a network would give that knows the layout rule by heart."""

    name = "rule"

    def predict(self, images, batch_size, verbose):
        return 10 * scores_of([draw_net(pins) for pins in pins_of(images)])


def network(options):
    """Return what scores the nets."""
    if options.model == "rule":
        return LayoutRule()
    if options.model.endswith(".keras"):
        return keras.models.load_model(options.model, compile=False)
    return keras_route.Router.from_preset(options.model)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="npz file of pins")
    parser.add_argument("--def", type=pathlib.Path, help="placed design", dest="def_file")
    parser.add_argument("--lef", type=pathlib.Path, nargs="+", default=[], help="its cells")
    parser.add_argument(
        "--model",
        default="router_32",
        help="preset of Router, a .keras file, or `rule`: the layout rule in place of a network",
    )
    parser.add_argument("--pitch", type=float, default=0.19, help="of the tracks, micrometres")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/chip"))
    parser.add_argument("--smoke", action="store_true", help="random pins and the rule, for tests")
    options = parser.parse_args()
    if options.smoke:
        options.model = "rule"
    elif (options.data is None) == (options.def_file is None):
        parser.error("give the pins of a chip: either --data, or --def with --lef")
    return options


if __name__ == "__main__":
    main()
