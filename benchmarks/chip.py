"""Route designs of growing size, and have klayout check them.

Examples:

    python benchmarks/chip.py --nets 400 2000 6000 18000
    python benchmarks/chip.py --def placed.def --lef tech.lef cells.lef --jobs 1 2

Designs are random, of seed 0, or one of yours. Each is routed in a process of its own, after
another has compiled the search. "of trees" is the length of the wires over that of short trees that
join the pins without regard to other nets. Seconds are those of reading, of the search, and of the
check; memory is the peak of reading and search.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rows import show

from keras_route.chip.whole_chip import route_chip
from keras_route.drc.check import check_routed_def
from keras_route.formats.lefdef import read_design
from keras_route.random_design.files import write_random_design

COLUMNS = {
    "design": 14,
    "jobs": 6,
    "nets": 8,
    "routed": 8,
    "um": 9,
    "of trees": 10,
    "vias": 8,
    "opens": 7,
    "violations": 12,
    "read s": 8,
    "route s": 9,
    "CPU s": 8,
    "peak MB": 9,
    "check s": 9,
}


def main():
    options = parse()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    show(COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        warm = random_files(folder, 100)
        in_a_process(warm, 1)
        designs = (
            [[options.design, *options.lef]]
            if options.design
            else [random_files(folder, nets) for nets in options.nets]
        )
        for files in designs:
            for jobs in options.jobs:
                show(COLUMNS, in_a_process(files, jobs))


def random_files(folder, nets):
    """Write a random design; return its DEF file and its LEF files."""
    target = pathlib.Path(folder) / str(nets)
    target.mkdir()
    technology, cells, placed = write_random_design(target, nets, seed=0, verbose=False)
    return [placed, technology, cells]


def in_a_process(files, jobs):
    command = [sys.executable, __file__, "--one", str(jobs), *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        return {"design": files[0], "error": run.stderr.strip().splitlines()[-1]}
    return json.loads(run.stdout.splitlines()[-1])


def measure(jobs, placed, *lefs):
    """Route and check one design; return its row."""
    started = time.perf_counter()
    design = read_design(placed, *lefs)
    read = time.perf_counter() - started
    cpu = time.process_time()
    chip = route_chip(design, jobs=int(jobs))
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        routed = pathlib.Path(folder) / "routed.def"
        chip.write_def(placed, routed)
        started = time.perf_counter()
        found = check_routed_def(routed, *lefs)
        checked = time.perf_counter() - started
    return {
        "design": design.name,
        "jobs": int(jobs),
        "nets": len(chip.routed) + len(chip.not_routed),
        "routed": len(chip.routed),
        "um": round(chip.length_um),
        "of trees": round(chip.length_um / chip.tree_um, 4),
        "vias": len(chip.wires.vias),
        "opens": len(found.opens),
        "violations": len(found.violations),
        "read s": round(read, 1),
        "route s": round(chip.seconds, 1),
        "CPU s": round(cpu, 1),
        "peak MB": round(peak),
        "check s": round(checked, 1),
    }


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", type=int, nargs="+", default=[400, 2000, 6000, 18000])
    parser.add_argument("--def", dest="design", help="a placed design of yours")
    parser.add_argument("--lef", nargs="+", default=[], help="its technology and cells")
    parser.add_argument("--jobs", type=int, nargs="+", default=[len(os.sched_getaffinity(0))])
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
