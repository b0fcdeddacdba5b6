"""Run a short form of every speed benchmark, one after the other.

Examples:

    make bench
    python benchmarks/bench.py --only train_step_resnet20 quantize

Each writes its figures into the folder as JSON, and its table as text. The long forms are told in
`docs/results/speed.md`. JAX and torch run if they are installed. A benchmark that fails is named at
the end, and the others still run.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
STEPS = ("train_step.py", "--steps", "8")
BRIEF = ("--brief", "--variants", "float", "folded", "litert", "paper")
# Name, backend, arguments.
BENCHMARKS = (
    ("import_time", "tensorflow", ("import_time.py", "--rounds", "2")),
    ("quantize", "tensorflow", ("quantize.py", "--networks", "mobilenet_v2", "--rounds", "3")),
    (
        "calibrate",
        "tensorflow",
        ("calibrate.py", "--depths", "10", "50", "--repeats", "2", "--with", "bias"),
    ),
    ("engines", "tensorflow", ("engines.py", "--images", "8", "--rounds", "3")),
    ("generator", "tensorflow", ("generator.py", "--rounds", "3")),
    ("train_step_mobilenet_v2", "tensorflow", STEPS),
    ("train_step_resnet20", "tensorflow", (*STEPS, "--network", "resnet20", *BRIEF)),
    ("train_step_mobilenet_v3", "tensorflow", (*STEPS, "--network", "mobilenet_v3", *BRIEF)),
    ("train_step_jax", "jax", (*STEPS, "--network", "mobilenet_v3", *BRIEF)),
    ("train_step_torch", "torch", (*STEPS, *BRIEF)),
)
NAMES = tuple(name for name, _, _ in BENCHMARKS)


def main():
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in BENCHMARKS if each[0] in options.only]
    failed, began = [], time.monotonic()
    for number, (name, backend, arguments) in enumerate(chosen, 1):
        minutes = (time.monotonic() - began) / 60
        print(f"\n[{number} of {len(chosen)}, after {minutes:.1f} minutes] {name}", flush=True)
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed.")
        elif run(name, backend, arguments, options.folder):
            failed.append(name)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(chosen)} benchmarks in {minutes:.1f} minutes; figures in {options.folder}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def run(name, backend, arguments, folder):
    """Run a benchmark, show what it prints and keep it; return its exit status."""
    script, *rest = arguments
    command = [sys.executable, str(HERE / script), *rest, "--output", str(folder / f"{name}.json")]
    settings = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    with (folder / f"{name}.txt").open("w") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
        return process.wait()


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("output/bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
