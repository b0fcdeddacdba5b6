"""The notebooks are executed, fit for readers, and run in a short form."""

import pathlib
import re
import runpy

import pytest

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")

FOLDER = pathlib.Path(__file__).parent.parent / "docs" / "notebooks"
SHORT = {
    "quantize_and_deploy": {"EPOCHS": 1, "RETRAIN_EPOCHS": 1, "PROVED": 20},
    "route_a_net": {"NETS": 200},
    "threshold_training": {"STEPS": 12},
}
MACHINE = re.compile(r"(?<![\w.])/(?:home|Users|tmp|work|root|usr|opt|var|srv|mnt)/")


def executed(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def texts(notebook):
    """Yield all text of the outputs of a notebook."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            yield output.get("text", "")
            for kind, data in output.get("data", {}).items():
                if not kind.startswith("image/png"):
                    yield data


def test_every_notebook_is_known():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(SHORT)
    assert {path.stem for path in FOLDER.glob("*.py")} == {*SHORT, "execute"}


@pytest.mark.check
@pytest.mark.parametrize("name", SHORT)
def test_both_files_have_the_same_cells(name):
    cells, shown = jupytext.read(FOLDER / f"{name}.py").cells, executed(name).cells
    assert [(c.cell_type, c.source) for c in cells] == [(c.cell_type, c.source) for c in shown]


@pytest.mark.check
@pytest.mark.parametrize("name", SHORT)
def test_a_notebook_is_fit_for_readers(name):
    notebook = executed(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert notebook.cells[0].source.startswith("# ")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell.outputs if o.get("name") == "stderr"]
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert not [text for text in texts(notebook) if MACHINE.search(text) or "\r" in text]
    assert sum("image/png" in o.get("data", {}) for cell in code for o in cell.outputs) >= 3
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 400_000


@pytest.mark.full
@pytest.mark.tensorflow_only
@pytest.mark.parametrize("name", SHORT)
def test_a_notebook_runs_in_a_short_form(name):
    pytest.importorskip("nbclient")
    if name == "quantize_and_deploy":
        pytest.importorskip("ai_edge_litert")
    execute = runpy.run_path(str(FOLDER / "execute.py"))
    notebook = execute["tidy"](execute["executed"](FOLDER / f"{name}.py", **SHORT[name]))
    if name == "quantize_and_deploy":
        assert "".join(texts(notebook)).count("0 of 200 output codes differ") == 2


@pytest.mark.check
def test_only_known_parameters_are_replaced():
    execute = runpy.run_path(str(FOLDER / "execute.py"))
    notebook = jupytext.read(FOLDER / "threshold_training.py")
    execute["replace"](notebook, {"STEPS": 12})
    assert "\nSTEPS = 12" in "".join(cell.source for cell in notebook.cells)
    with pytest.raises(ValueError, match="EPOCHS"):
        execute["replace"](notebook, {"EPOCHS": 1})
