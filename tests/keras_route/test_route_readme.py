"""The first snippet of the package's README prints what the README says."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[2] / "keras_route" / "README.md"


def test_the_first_snippet_prints_its_output(capsys, tmp_path, monkeypatch):
    pytest.importorskip("gdstk")
    snippet, output = re.search(
        r"```python\n(.*?)```\n```text\n(.*?)```", README.read_text(), re.DOTALL
    ).groups()
    monkeypatch.chdir(tmp_path)

    exec(compile(snippet, str(README), "exec"), {})

    assert capsys.readouterr().out == output
    assert {path.name for path in tmp_path.iterdir()} == {"net.svg", "net.gds"}
