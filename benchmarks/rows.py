"""Rows of a table, each measured in a process of its own and kept in a file of JSON lines."""

import json
import pathlib
import subprocess
import sys


def measured(path, script, *names):
    """Return a function that returns a row: from the file at `path`, or else measured now.

    Args:
        path: file of JSON lines; new rows are appended. Rows with an error are measured again.
        script: path of the script whose `--check` prints a row as JSON, given the key of the row.
        names: names of the columns that are the key.
    """
    path = pathlib.Path(path)
    lines = path.read_text().splitlines() if path.exists() else ()
    rows = [row for row in map(json.loads, lines) if "error" not in row]
    done = {tuple(row[name] for name in names): row for row in rows}

    def row(*key):
        if key not in done:
            done[key] = in_a_process(script, dict(zip(names, key, strict=True)))
            with path.open("a") as file:
                file.write(json.dumps(done[key]) + "\n")
        return done[key]

    return row


def in_a_process(script, key):
    command = [sys.executable, script, "--check", *key.values()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [f"ended by signal {-run.returncode}"]
        return {**key, "error": lines[-1]}
    return json.loads(run.stdout.splitlines()[-1])


def show(columns, row=None):
    """Print a row, or the names of the columns; `columns` are their names and widths."""
    row = dict(zip(columns, columns, strict=True)) if row is None else row
    cells = [f"{row.get(name, '-')!s:>{width}}" for name, width in columns.items()]
    print("".join(cells), row.get("error", ""), flush=True)
