"""Counts of what the fuzzing tried, as a table and as JSON."""

import json
import pathlib

from attempts import MINUTES, counts

OUTPUT = pathlib.Path("output/fuzz/counts.json")


def pytest_terminal_summary(terminalreporter):
    if not counts or not MINUTES:
        return
    terminalreporter.write_line(f"\n{'kind':<24} {'inputs':>8} {'accepted':>9}  refused")
    for kind, found in sorted(counts.items()):
        refused = ", ".join(f"{n} {name}" for name, n in found.most_common() if name != "accepted")
        row = f"{kind:<24} {found.total():>8} {found['accepted']:>9}  {refused}"
        terminalreporter.write_line(row)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    told = {"minutes": MINUTES, "inputs": {kind: dict(c) for kind, c in sorted(counts.items())}}
    OUTPUT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    terminalreporter.write_line(f"wrote {OUTPUT}")
