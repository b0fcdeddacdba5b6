"""Results of an example as a JSON file, for the page that `demo_page.py` makes."""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import shlex
import sys

RESULTS = "results.json"


@dataclasses.dataclass(frozen=True)
class Made:
    """A file or a folder that an example made.

    Args:
        name: within the folder of the results.
        what: what it is, in a few words.
        proof: the command line that shows what it claims, or an empty text.
    """

    name: str
    what: str
    proof: str = ""


def command(tool: str, *arguments) -> str:
    """Return a command line of this virtual environment, as it is typed in the current folder."""
    path = os.path.relpath(pathlib.Path(sys.executable).parent / tool)
    return shlex.join(map(str, (path, *arguments)))


def write_results(folder: pathlib.Path, figures: dict, made: list[Made]) -> None:
    """Write figures, and the files with their sizes, to `results.json` in the folder."""
    files = [dataclasses.asdict(file) | held(folder, folder / file.name) for file in made]
    text = json.dumps(figures | {"files": files}, indent=1)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")


def versions(*packages: str) -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in packages}


def read_results(folder: pathlib.Path) -> dict:
    return json.loads((folder / RESULTS).read_text(encoding="utf-8"))


def held(folder: pathlib.Path, path: pathlib.Path) -> dict:
    """Return the bytes and the names of a file, or of all files in a folder."""
    paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {
        "bytes": sum(path.stat().st_size for path in paths),
        "paths": [path.relative_to(folder).as_posix() for path in paths],
    }
