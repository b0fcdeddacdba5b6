"""The subcommand `chip`: from LEF and DEF files to a routed design that is checked."""

import importlib.util
import json
import pathlib
import sys

from keras_route.chip.network_guides import network_guides
from keras_route.chip.whole_chip import route_chip
from keras_route.chip.wire_guides import wire_guides
from keras_route.cli import drc
from keras_route.cli.kinds import positive, positive_float
from keras_route.drc.check import check_routed_def
from keras_route.drc.reports import write_lyrdb
from keras_route.files import written_whole
from keras_route.formats.lefdef import read_design, read_guides, write_guides
from keras_route.formats.lefdef.outlines import read_outlines
from keras_route.layout.chip_picture import write_chip_picture
from keras_route.models.loading import load_network
from keras_route.progress import progress_bar


def add(parser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description += (
        ". The folder gets routed.def, metrics.json, and, with the packages of the extra [chip], "
        "chip.png and what an independent check finds, drc.lyrdb. After an interruption, the same "
        "command goes on where it stopped."
    )
    parser.epilog += "keras-route chip placed.def --lef tech.lef cells.lef --output routed"
    parser.add_argument("design", type=pathlib.Path, help="DEF file of a placed design; .gz too")
    parser.add_argument(
        "--lef", type=pathlib.Path, nargs="+", required=True, help="of its technology and cells"
    )
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder")
    parser.add_argument(
        "--layers",
        nargs=2,
        metavar=("LOWEST", "HIGHEST"),
        help="metals that get wires; default: the second and four above it",
    )
    parser.add_argument("--guides", type=pathlib.Path, help="file of a global router, .guide")
    parser.add_argument(
        "--write-guides",
        type=pathlib.Path,
        metavar="FILE",
        help="guides around the wires that were found, .guide, for another router",
    )
    parser.add_argument(
        "--model",
        default="none",
        help="network whose guides bound the search of nets that fit its window; default: none, "
        "which is faster and takes fewer vias",
    )
    parser.add_argument(
        "--jobs", type=positive, help="threads; default: one for each processor; same result"
    )
    parser.add_argument(
        "--time-limit",
        type=positive_float,
        help="seconds after which the search ends; nets that are legal by then are written",
    )


def run(options) -> int:
    """Route and check a design; return 1 if a net is not routed or a rule is broken."""
    design = read_design(options.design, *options.lef)
    if design.technology.unread:
        _say(f"rules of the LEF files that are not kept: {', '.join(design.technology.unread)}")
    guides = _guides(options, design)
    options.output.mkdir(parents=True, exist_ok=True)
    partial = options.output / "partial.npz"
    chip = route_chip(
        design,
        options.layers and tuple(options.layers),
        guides,
        options.time_limit,
        partial,
        progress_bar(len(design.nets)).update,
        options.jobs,
    )
    _say(f"\n{chip.report()}")
    routed = options.output / "routed.def"
    chip.write_def(options.design, routed)
    partial.unlink(missing_ok=True)
    _say(f"wrote {routed}")
    if options.write_guides is not None:
        write_guides(wire_guides(design, chip.wires), options.write_guides, design)
        _say(f"wrote {options.write_guides}")
    _draw(chip, options)
    return _checked(chip, routed, options)


def _guides(options, design):
    """Return the guides of the file, and those of the network for nets that it leaves out."""
    found = {}
    if options.model != "none":
        lowest = 1
        if options.layers:
            names = [metal.name for metal in design.technology.metals]
            lowest = names.index(options.layers[0]) if options.layers[0] in names else lowest
        found |= network_guides(load_network(options.model), design, lowest)
    if options.guides is not None:
        found |= read_guides(options.guides, design)
    return found


def _draw(chip, options):
    if importlib.util.find_spec("matplotlib") is None:
        _say("no picture: it needs matplotlib; pip install 'keras-alt[plots]'")
        return
    path = options.output / "chip.png"
    outlines = read_outlines(options.design, *options.lef)
    write_chip_picture(chip.design, chip.wires, path, outlines)
    _say(f"wrote {path}")


def _checked(chip, routed, options):
    """Check the written file, if klayout is there; write the metrics; return the exit status."""
    metrics = chip.metrics()
    faults = len(chip.not_routed)
    if importlib.util.find_spec("klayout") is None:
        _say("not checked: the check needs klayout; pip install 'keras-alt[chip]'")
    else:
        found = check_routed_def(routed, *options.lef)
        drc.tell(found)
        metrics |= found.metrics
        faults += not found.clean
        report = options.output / "drc.lyrdb"
        write_lyrdb(found, report)
        _say(f"wrote {report}")
    path = options.output / "metrics.json"
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=1)
        file.write("\n")
    _say(f"wrote {path}")
    return 1 if faults else 0


def _say(text):
    sys.stdout.write(f"{text}\n")
