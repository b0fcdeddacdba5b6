"""The Python of the documents runs as it stands, and prints what they say.

See `documents.py` for the rules.
"""

import pathlib

import pytest
from documents import run

ROOT = pathlib.Path(__file__).parent.parent
FIRST = ROOT / "README.md"
DOCUMENTS = [
    path
    for path in (FIRST, *sorted(ROOT.glob("docs/**/*.md")), ROOT / "keras_route" / "README.md")
    # `test_extending.py` runs the worked example, which adds to the tables of the package.
    if path.name != "extending.md" and "```python" in path.read_text(encoding="utf-8")
]
pytestmark = pytest.mark.tensorflow_only


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=str(path.relative_to(ROOT)),
            marks=[] if path == FIRST else [pytest.mark.full],
        )
        for path in DOCUMENTS
    ],
)
def test_the_blocks_run_as_they_stand(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(path)


DOCUMENT = """
```python
x = 2
```
<!-- not run -->

```python
raise ValueError
```

```python
print(x + 1)
```

```text
3
```
"""


@pytest.mark.check
def test_a_document_runs_in_one_namespace(tmp_path):
    (tmp_path / "document.md").write_text(DOCUMENT)
    run(tmp_path / "document.md")


@pytest.mark.check
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("```text\n3", "```text\n4", "line 12"),
        ("x + 1", "y", "name 'y'"),
        ("<!-- not run -->", "", None),
    ],
)
def test_a_document_that_does_not_run_is_found(old, new, error, tmp_path):
    (tmp_path / "document.md").write_text(DOCUMENT.replace(old, new))
    with pytest.raises((AssertionError, NameError, ValueError), match=error):
        run(tmp_path / "document.md")
