"""Work that is killed at random moments and started again ends as if it had not been."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
WORKS = ("train a float network", "export litert onnx c integers", "generate")
WINDOWS = """
from keras_route.training.search_labels import write_search_labels
write_search_labels("windows.npz", 10**6, processes=2)
"""

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="forks a process that has run nothing yet"
    ),
]


def started(words, folder, **options):
    path = os.pathsep.join([os.fspath(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, **options)


def test_kills_lose_nothing(tmp_path):
    words = [ROOT / "benchmarks" / "kills.py", "--count", "9", "--output", "kills.jsonl"]
    process = started([*words, "--folder", "kills", "--only", *WORKS], tmp_path)
    assert process.wait() == 0
    rows = [json.loads(line) for line in (tmp_path / "kills.jsonl").read_text().splitlines()]
    assert sum(len(row["moments"]) for row in rows) >= 9
    assert {row["work"] for row in rows} == set(WORKS)
    for row in rows:
        assert (row["faults"], row["orphans"], row["temporary"]) == ([], 0, [])


def processes_of(session):
    """Return the processes of a session that have not ended."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def test_no_process_stays_when_the_one_that_started_it_is_killed(tmp_path):
    process = started(["-c", WINDOWS], tmp_path, start_new_session=True)
    try:
        # Itself, two that draw windows, and one that Python starts to clean up after them.
        assert until(lambda: len(processes_of(process.pid)) == 4, 120)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert until(lambda: not processes_of(process.pid), 120)
    finally:
        for left in processes_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
