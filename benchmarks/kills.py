"""Kill training, exports, data sets, routing and proofs at random moments, and start them again.

Example:

    python benchmarks/kills.py --count 200

A work runs in a process of its own, which gets SIGKILL at a moment drawn from the duration of
a run, in seconds of the processor. The next start goes on, and may be killed again, up to four
times; the last start ends by itself. After each kill, every file under its own name is whole. At
the end the folder holds what a run that was not killed left, and nothing else; weights are equal
bit for bit. No process stays. The temporary folders of the packages that stay are counted. The
file of results has a line for each folder; the same call goes on where it was stopped.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from file_contents import held
from interruptible import KERAS_BACKUP, WORKS

from keras_alt.progress import progress_bar

MOST_KILLS = 4  # in a row
LIMIT = 1800  # seconds after which a run counts as hanging
PATIENCE = 10  # seconds that processes of a killed one have to end


class Start:
    """One start of a work in a process of its own, which begins as a copy of this one.

    Args:
        work: `Work`.
        inputs: folder that the work reads.
        folder: that it writes.
        log: file of what it prints.
    """

    def __init__(self, work, inputs, folder, log):
        self.log = log
        reader, writer = os.pipe()
        self.process = os.fork()
        if not self.process:
            self._run(work, inputs, folder, writer)
        os.close(writer)
        with open(reader, "rb") as pipe:
            pipe.read(1)  # until it has loaded what it needs, or has ended
        self.begun = computed(self.process)

    def _run(self, work, inputs, folder, writer):
        """Run in the child, and never return."""
        status = 1
        try:
            os.setsid()  # so that its own processes can be found
            for descriptor in (1, 2):
                with open(self.log, "ab") as file:
                    os.dup2(file.fileno(), descriptor)
            tempfile.tempdir = os.environ["TMPDIR"] = os.fspath(scratch_of(folder))
            work.run(inputs, folder, lambda: os.write(writer, b"."))
            status = 0
        except BaseException:  # whatever it is, it is told, and the process ends here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(status)

    def ended(self, seconds):
        """Wait until the process ends, or has computed for so many seconds; return its status."""
        until = time.monotonic() + LIMIT
        while True:
            process, status, used = os.wait4(self.process, os.WNOHANG)
            if process:
                self.seconds = used.ru_utime + used.ru_stime - self.begun
                return os.waitstatus_to_exitcode(status)
            if computed(self.process) - self.begun > seconds or time.monotonic() > until:
                return None
            time.sleep(0.002)

    def kill(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)

    def orphans(self):
        """Return how many of its processes stay, after some patience; end them."""
        until = time.monotonic() + PATIENCE
        while (found := list(session(self.process))) and time.monotonic() < until:
            time.sleep(0.05)
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(found)


def computed(process):
    """Return the seconds that a process has computed, with its processes that have ended."""
    told = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    return sum(map(int, told.split()[11:15])) / os.sysconf("SC_CLK_TCK")


def session(leader):
    """Yield the processes of a session."""
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            process = int(entry.name)
            told = pathlib.Path(entry.path, "stat").read_text().rpartition(")")[2]
            state, _, _, sid = told.split()[:4]
            if int(sid) == leader and state != "Z":
                yield process


def scratch_of(folder):
    """Return the folder for temporary files of the runs in a folder."""
    path = folder.with_name(f"{folder.name}.tmp")
    path.mkdir(exist_ok=True)
    return path


class Killer:
    """Kills one kind of work.

    Args:
        name, work: of `WORKS`.
        place: folder for all that it writes.
    """

    def __init__(self, name, work, place):
        self.name, self.work = name, work
        self.place = place / name.replace(" ", "_")
        self.place.mkdir(parents=True, exist_ok=True)
        self.inputs = self._inputs()
        self.expected, self.seconds = self._reference()

    def _inputs(self):
        inputs = self.place / "inputs"
        if self.work.prepare is not None and not inputs.exists():
            inputs.mkdir()
            prepare = type(self.work)(lambda given, folder, begun: self.work.prepare(folder))
            self._whole(prepare, inputs)
        return inputs

    def _reference(self):
        """Return what a run that is not killed leaves, and how long it takes."""
        reference, measured = self.place / "reference", self.place / "seconds.json"
        if not measured.exists():
            shutil.rmtree(reference, ignore_errors=True)
            reference.mkdir()
            seconds = self._whole(self.work, reference)
            measured.write_text(json.dumps(seconds))
        return self.work.left(reference), json.loads(measured.read_text())

    def _whole(self, work, folder):
        start = Start(work, self.place / "inputs", folder, self.log)
        status = start.ended(LIMIT)
        if status:
            raise SystemExit(f"{self.name} fails without a kill: {self.log.read_text()[-2000:]}")
        return start.seconds

    @property
    def log(self):
        return self.place / "log.txt"

    def trial(self, seed, number):
        """Kill a run some times and let it end; return a line of the results."""
        rng = np.random.default_rng([seed, number, sum(self.name.encode())])
        folder = self.place / f"trial_{number}"
        for path in (folder, scratch_of(folder)):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        moments, faults, orphans, finished = [], [], 0, False
        while not finished:
            start = Start(self.work, self.inputs, folder, self.log)
            last = len(moments) == MOST_KILLS
            moment = np.inf if last else float(rng.uniform(0, self.seconds))
            status = start.ended(moment)
            if status is None:
                start.kill()
                orphans += start.orphans()
                if last:
                    faults.append("hangs")
                    break
                moments.append(round(moment, 3))
                faults += not_whole(folder)
                finished = self.work.finished is not None and self.work.finished(folder)
                continue
            if status:
                faults.append(f"status {status}: {self.log.read_text()[-600:]}")
            break
        faults += differences(self.work.left, folder, self.expected)
        temporary = sorted(p.name for p in scratch_of(folder).glob("keras_*"))
        if not faults:
            for path in (folder, scratch_of(folder)):
                shutil.rmtree(path)
        return {
            "work": self.name,
            "trial": number,
            "seconds": round(self.seconds, 2),
            "moments": moments,
            "faults": faults,
            "orphans": orphans,
            "temporary": temporary,
        }


def not_whole(folder):
    """Return a line about each file that is not whole under its own name."""
    faults = []
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".writing-") for part in path.parts):
            try:
                held(path)
            except ValueError as error:
                faults.append(str(error))
    return faults


def differences(left, folder, expected):
    """Return a line about each file that is not as without a kill."""
    try:
        found = left(folder)
    except (OSError, ValueError) as error:
        return [str(error)]
    faults = []
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            faults.append(f"{name} is left over")
        elif name not in found:
            faults.append(f"{name} is missing")
        elif found[name] != expected[name]:
            faults.append(f"{name} differs")
    return faults


def main():
    options = parse()
    chosen = {n: w for n, w in WORKS.items() if not options.only or n in options.only}
    if options.only and "keras backup" in options.only:
        chosen["keras backup"] = KERAS_BACKUP
    done = read(options.output)
    killers = {}
    bar = progress_bar(options.count, "kill", verbose=True)
    bar.update(min(options.count, kills(done)))
    number = 0
    while kills(done) < options.count:
        for name, work in chosen.items():
            if (name, number) in {(row["work"], row["trial"]) for row in done}:
                continue
            if name not in killers:
                killers[name] = Killer(name, work, options.folder)
            row = killers[name].trial(options.seed, number)
            done.append(row)
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(f"{json.dumps(row)}\n")
            bar.update(min(options.count, kills(done)))
            if kills(done) >= options.count:
                break
        number += 1
    table(done)


def read(path):
    """Return the rows of a file, without a last line that a kill has cut."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


def kills(rows):
    return sum(len(row["moments"]) for row in rows)


def table(rows):
    """Print a row for each work."""
    by_work = collections.defaultdict(list)
    for row in rows:
        by_work[row["work"]].append(row)
    print("\n| work | seconds | kills | ends as without | processes left | temporary files left |")
    print("|---|---|---|---|---|---|")
    for name, group in by_work.items():
        right = sum(not row["faults"] for row in group)
        orphans = sum(row["orphans"] for row in group)
        temporary = sum(len(row["temporary"]) for row in group)
        cells = (name, f"{group[0]['seconds']:.1f}", kills(group), f"{right} of {len(group)}")
        print(f"| {' | '.join(map(str, (*cells, orphans, temporary)))} |")
    print(f"| all | | {kills(rows)} | {sum(not r['faults'] for r in rows)} of {len(rows)} | | |")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="kills in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="+", choices=[*WORKS, "keras backup"], help="default: all")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("output/kills"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output/kills.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
