"""The subcommand `drc`: what klayout finds in a routed DEF file."""

import pathlib
import sys

from keras_route.drc.check import RouteCheck, check_routed_def
from keras_route.drc.reports import write_lyrdb, write_metrics

MOST_TOLD = 50  # faults on the screen; the report has all


def add(parser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description += (
        " against its LEF files: opens, shorts, width, spacing, cuts, enclosure and grid. "
        "The exit status is 1 if routed wires break a rule or a net is open."
    )
    parser.epilog += "keras-route drc routed.def tech.lef cells.lef --report routed.lyrdb"
    parser.add_argument("routed", type=pathlib.Path, help="DEF file, or .def.gz")
    parser.add_argument("lef", type=pathlib.Path, nargs="+", help="LEF files")
    parser.add_argument("--report", type=pathlib.Path, help="file for klayout, .lyrdb")
    parser.add_argument("--json", type=pathlib.Path, help="file for the metrics")


def run(options) -> int:
    """Check a file; return 1 if a net is open or a rule is broken."""
    found = check_routed_def(options.routed, *options.lef)
    tell(found)
    for path, write in ((options.report, write_lyrdb), (options.json, write_metrics)):
        if path is not None:
            write(found, path)
            sys.stdout.write(f"wrote {path}\n")
    return 0 if found.clean else 1


def tell(found: RouteCheck) -> None:
    """Print what a check found."""
    faults = (*found.opens, *found.violations)
    metrics = found.metrics
    lines = [str(fault) for fault in faults[:MOST_TOLD]]
    if len(faults) > MOST_TOLD:
        lines.append(f"and {len(faults) - MOST_TOLD} further faults, which the report has")
    lines += [
        f"not checked, because the check does not know it: {rule}" for rule in found.unchecked
    ]
    lines.append(
        f"{metrics['route__nets__connected']} of {metrics['route__nets']} nets are connected, "
        f"{metrics['route__shorts']} shorts, {metrics['route__drc_errors']} errors of wires; "
        f"{len(found.existing)} were there before. {metrics['route__wirelength']:.1f} um of wire, "
        f"{metrics['route__vias']} vias"
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
