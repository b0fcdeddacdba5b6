"""The grammar of the command line of `keras-route`."""

import argparse
import pathlib

from keras_route.cli import chip, drc
from keras_route.cli.kinds import natural, positive, positive_float, share
from keras_route.data.random_nets import NetFamily
from keras_route.evaluation import HELD_OUT_SEED
from keras_route.formats.writers import WRITERS
from keras_route.models.presets import preset_names
from keras_route.training.recipes import RECIPES

WRONG = 2  # exit status
EPILOG = """\
exit status: 0 if all is well; 1 if a net breaks a rule or is not routed; 2 for wrong input or an
error, told in a line; 130 if interrupted

example: keras-route route pins.csv --output nets.gds"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        self.exit(WRONG, f"{self.prog}: {message}; `{self.prog} --help` shows an example\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `keras-route`; its `command` names the subcommand."""
    root = _Parser(
        prog="keras-route",
        description="Route circuit nets with a trained network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True)
    _add_generate(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_route(commands)
    _add_check(commands)
    _add_random_design(commands)
    chip.add(_command(commands, "chip", "route a placed design of LEF and DEF files"))
    drc.add(_command(commands, "drc", "check a routed DEF file by klayout"))
    return root


def _add_generate(commands):
    parser = _command(commands, "generate", "write random nets with their labels to a file")
    parser.description += (
        ". With obstacles: keras-route generate windows.npz --labels search --count 24000 "
        "--split train --processes 2"
    )
    parser.epilog += "keras-route generate nets.h5 --count 50000 --split train"
    parser.add_argument(
        "file",
        type=pathlib.Path,
        help="HDF5 of the published format, or .npz for labels by search; it appears when it is "
        "complete",
    )
    parser.add_argument(
        "--labels",
        choices=("rule", "search"),
        default="rule",
        help="the published layout rule draws nets in free windows (default); or the search finds "
        "the cheapest routes beside obstacles, 2 to 10 pins, and goes on after an interruption",
    )
    parser.add_argument("--count", type=positive, default=10_000, help="of nets")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--batch-size", type=positive, default=128, help="nets of a chunk of HDF5")
    parser.add_argument("--processes", type=positive, default=1, help="that search at once")
    parser.add_argument(
        "--most-blocked",
        type=share,
        default=argparse.SUPPRESS,
        help="largest share of blocked pixels of a window to search; default: 0.4",
    )
    _add_nets(parser, "repeated pins count, as published; the search leaves them out")
    parser.add_argument(
        "--split",
        choices=("train", "validation"),
        default=argparse.SUPPRESS,
        help="nets of one side of a split by a hash of the pins; default: all",
    )


def _add_train(commands):
    parser = _command(commands, "train", "train a network on random nets")
    parser.description += (
        ". The folder gets best.keras, curves and pictures; after an interruption the same "
        "command goes on where it stopped."
    )
    parser.epilog += "keras-route train output/router --network router --seed 0"
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument(
        "--network", choices=tuple(RECIPES), default="router", help="and how it is trained"
    )
    for name, kind, meaning in (
        ("--epochs", positive, "from one validation to the next"),
        ("--steps-per-epoch", positive, "updates of an epoch"),
        ("--batch-size", positive, "nets of an update"),
        ("--rate", positive_float, "the largest learning rate"),
    ):
        parser.add_argument(
            name,
            type=kind,
            default=argparse.SUPPRESS,
            help=f"{meaning}; default: {_defaults(name)}",
        )
    parser.add_argument("--seed", type=natural, default=0, help="of weights and nets")
    parser.add_argument("--validation", type=positive, default=2000, help="nets of a validation")
    _add_nets(parser, "repeated pins are left out")


def _add_evaluate(commands):
    parser = _command(commands, "evaluate", "measure a network on nets never trained on")
    parser.description += (
        ". A network that sees obstacles is compared with the search, on windows with 0 to 40 % "
        "blocked and 2 to 10 pins."
    )
    parser.epilog += "keras-route evaluate router_32 --count 10000 --json figures.json"
    _add_model(parser)
    parser.add_argument("--count", type=positive, default=10_000, help="of nets")
    parser.add_argument("--seed", type=natural, default=HELD_OUT_SEED)
    parser.add_argument("--batch-size", type=positive, default=100)
    parser.add_argument("--json", type=pathlib.Path, help="file for the same figures")
    _add_nets(parser, "repeated pins count, as published")


def _add_route(commands):
    parser = _command(commands, "route", "route nets of a file, connected and legal")
    parser.epilog += "keras-route route pins.csv --output nets.gds --output nets.svg"
    parser.add_argument(
        "pins",
        type=pathlib.Path,
        help='CSV text, a line `name, x, y` for each pin; or JSON, {"name": [[x, y], ...], ...}; '
        "pixels, y = 0 at the top",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        action="append",
        required=True,
        help=f"file that ends in {', '.join(WRITERS)}; may be given several times",
    )
    _add_model(parser, "--model", default="router_32")
    _add_window(parser, "that of the preset's training, else ")
    _add_blocked(parser)


def _add_check(commands):
    parser = _command(commands, "check", "tell which rules the nets of a file break")
    parser.epilog += "keras-route check nets.json"
    parser.add_argument("nets", type=pathlib.Path, help=".json file that `route` wrote")
    _add_blocked(parser)


def _add_random_design(commands):
    parser = _command(commands, "random-design", "write a random placed design as LEF and DEF")
    parser.epilog += "keras-route random-design output --nets 2000"
    parser.add_argument(
        "folder", type=pathlib.Path, help="existing; gets tech.lef, cells.lef and placed.def"
    )
    parser.add_argument("--nets", type=positive, default=2000, help="default: 2000")
    parser.add_argument("--seed", type=natural, default=0)
    for name, kind, meaning in (
        ("--utilization", positive_float, "share of the rows that cells take; default: 0.68"),
        ("--clock-pins", positive, "pins of the largest net, if there are so many; default: 30"),
    ):
        parser.add_argument(name, type=kind, default=argparse.SUPPRESS, help=meaning)


def _command(commands, name, does):
    sentence = f"{does[0].upper()}{does[1:]}"  # `capitalize` would write LEF in small letters
    return commands.add_parser(name, help=does, description=sentence, epilog="example: ")


def _add_model(parser, name="model", **default):
    known = ", ".join(preset_names()) or "none yet"
    parser.add_argument(
        name, **default, help=f"preset ({known}; or the path of another), or a .keras file"
    )


def _add_blocked(parser):
    parser.add_argument(
        "--blocked",
        type=pathlib.Path,
        help=".npy file, True where no metal may be: (height, width), or (height, width, 4) for "
        "m3, m4, m5, m6",
    )


def _add_nets(parser, repeated):
    """Add the options of random nets; the function that draws them has the defaults."""
    _add_window(parser)
    for name, meaning in (("--min-pins", "least number"), ("--max-pins", "largest number")):
        parser.add_argument(name, type=positive, default=argparse.SUPPRESS, help=meaning)
    parser.add_argument(
        "--deduplicate",
        action=argparse.BooleanOptionalAction,
        default=argparse.SUPPRESS,
        help=f"whether repeated pins are left out; default: {repeated}",
    )


def _add_window(parser, default=""):
    """Add the size of windows; what is not given is absent from the options."""
    for name, kind, meaning in (
        ("--height", positive, f"rows; default: {default}{NetFamily.height}"),
        ("--width", positive, f"columns; default: {default}{NetFamily.width}"),
        (
            "--window-um",
            positive_float,
            f"sides in micrometres; default: {default}{NetFamily.window_um:g}",
        ),
    ):
        parser.add_argument(name, type=kind, default=argparse.SUPPRESS, help=meaning)


def _defaults(option):
    field = option.removeprefix("--").replace("-", "_")
    return ", ".join(f"{getattr(recipe, field):g} ({name})" for name, recipe in RECIPES.items())
