"""Execute the notebooks: read `NAME.py`, write `NAME.ipynb` beside it with outputs.

Example:

    python docs/notebooks/execute.py                     # all
    python docs/notebooks/execute.py route_a_net

The cell with the tag `parameters` holds what makes a run long; `executed` can replace its values.
"""

import os
import pathlib
import re
import sys
import tempfile

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent
LIMIT = 400_000  # bytes of a notebook
SECONDS = 600  # of a cell
# What TensorFlow and LiteRT log about their start, whatever their settings are.
LOG = re.compile(r"(WARNING: All log messages|[IW]0000 |INFO: Created TensorFlow Lite).*\n?")


def main():
    for name in sys.argv[1:] or names():
        notebook = executed(FOLDER / f"{name}.py")
        text = nbformat.writes(tidy(notebook)) + "\n"
        if len(text) > LIMIT:
            raise SystemExit(f"{name}.ipynb has {len(text):,} bytes; at most {LIMIT:,} are wanted")
        (FOLDER / f"{name}.ipynb").write_text(text, encoding="utf-8")
        print(f"{name}.ipynb: {len(notebook.cells)} cells, {len(text):,} bytes", flush=True)


def names():
    """Return the names of the notebooks, without suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "execute")


def executed(path, **parameters):
    """Return the notebook of a .py file with outputs; it runs in an empty folder.

    Args:
        path: of the .py file.
        parameters: new values for names of the cell with the tag `parameters`.
    """
    notebook = jupytext.read(path)
    if parameters:
        replace(notebook, parameters)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": search_path()}
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            resources=resources,
            coalesce_streams=True,
        )
        client.execute(env=environment)
    return notebook


def replace(notebook, parameters):
    """Write new values into the cell of parameters."""
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    known = {line.split(" = ")[0] for line in cell.source.splitlines()}
    if unknown := set(parameters) - known:
        raise ValueError(f"Parameters are {sorted(known)}. Received: {sorted(unknown)}")
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())


def is_log(output):
    """Tell whether an output is the log of an engine's start.

    Raises:
        ValueError: it is anything else on stderr, which readers should not meet.
    """
    if output.get("name") != "stderr":
        return False
    if rest := LOG.sub("", output.text).strip():
        raise ValueError(f"A notebook must not write to stderr. Received: {rest}")
    return True


def search_path():
    """Return PYTHONPATH with the packages of this checkout in front."""
    return os.pathsep.join([str(FOLDER.parent.parent), os.environ.get("PYTHONPATH", "")])


def tidy(notebook):
    """Leave out what differs from run to run: identifiers, times, logs and the exact Python."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_log(output)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


if __name__ == "__main__":
    main()
