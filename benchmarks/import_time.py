"""Seconds and peak memory of imports, each in fresh processes, by turns.

Example:

    python benchmarks/import_time.py --rounds 5
"""

import argparse
import json
import subprocess
import sys

import measuring

IMPORTS = {
    "keras": "import keras",
    "keras_alt": "import keras_alt",
    "keras_route": "import keras_route",
    "keras_alt.cli": "import keras_alt.cli",
    "keras_route.cli": "import keras_route.cli",
}
PROGRAM = """
import json, resource, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main():
    options = parse()
    measuring.tell_environment()
    times, peaks = ({name: [] for name in IMPORTS} for _ in range(2))
    for number in range(options.rounds + 1):  # the first reads the files
        measuring.progress(f"round {number} of {options.rounds}")
        for name, statement in IMPORTS.items():
            seconds, peak = in_a_process(statement)
            if number:
                times[name].append(seconds)
                peaks[name].append(peak)
    rows = {name: measuring.statistics(times[name]) for name in IMPORTS}
    print(f"{'':18}{'ms':>8}{'min':>8}{'max':>8}{'x keras':>9}{'peak MB':>9}")
    for name, row in rows.items():
        row |= {"import": name, "peak_mb": max(peaks[name])}
        row["x_keras"] = measuring.ratio(rows, name, "keras")
        print(
            f"{name:18}{row['median_ms']:8.0f}{row['min_ms']:8.0f}{row['max_ms']:8.0f}"
            f"{row['x_keras']:9.2f}{row['peak_mb']:9.0f}"
        )
    measuring.write(options.output, list(rows.values()))


def in_a_process(statement):
    """Return the seconds and the peak megabytes of a statement."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    measuring.add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
