"""Jobs timed by turns, in one process, and told with where they ran."""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np

PACKAGES = (
    *("keras", "numpy", "tensorflow", "jax", "torch", "tf_keras"),
    *("tensorflow-model-optimization", "ai-edge-litert"),
)


def interleaved(jobs, rounds, warm_up=1, clock=time.perf_counter):
    """Return `{name: [seconds]}` of jobs that are called by turns, `rounds` times each.

    Load from outside then meets all of them. The first `warm_up` calls are left out.
    """
    times = {name: [] for name in jobs}
    for _ in range(warm_up + rounds):
        for name, job in jobs.items():
            times[name].append(seconds(job, clock))
    return {name: values[warm_up:] for name, values in times.items()}


def both_clocks():
    """Return the time, and that of all cores of this process: a load beside it adds little."""
    return np.array([time.perf_counter(), time.process_time()])


def seconds(job, clock=time.perf_counter):
    started = clock()
    job()
    return clock() - started


def statistics(times):
    """Return median, least and most of a list of seconds, in milliseconds."""
    return {
        "median_ms": 1e3 * float(np.median(times)),
        "min_ms": 1e3 * min(times),
        "max_ms": 1e3 * max(times),
    }


def ratio(rows, name, other):
    """Return the ratio of two rows' medians; None if one of them was not measured."""
    medians = [rows.get(each, {}).get("median_ms") for each in (name, other)]
    return None if None in medians else medians[0] / medians[1]


def environment():
    """Return the versions, the processor and the cores of this run."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "versions": versions,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "processor": processor(),
        "cores": cores(),
        "load": getattr(os, "getloadavg", lambda: None)(),
    }


def cores():
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def processor():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else ()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def tell_environment():
    """Print where this run takes place."""
    where = environment()
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    print(f"{where['backend']} on {where['cores']} cores of {where['processor']}; {versions}")


def progress(text):
    """Tell what is being measured, apart from the results."""
    print(f"  ... {text}", file=sys.stderr, flush=True)


def add_output(parser):
    parser.add_argument("--output", type=pathlib.Path, help="write the figures as JSON, too")


def write(path, rows, **settings):
    """Write the rows with the environment as JSON, if there is a path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"command": sys.argv, **settings, **environment(), "rows": rows}
    path.write_text(json.dumps(content, indent=1) + "\n")
