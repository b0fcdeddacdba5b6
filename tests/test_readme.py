"""The Python of the documents runs as it stands, and prints what they say.

The blocks of a file share one namespace and a temporary folder. A ```text block that follows a
```python block is its exact output. A block that follows `<!-- not run -->` is left out.
"""

import contextlib
import io
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FIRST = ROOT / "README.md"
DOCUMENTS = [
    path
    for path in (FIRST, *sorted(ROOT.glob("docs/**/*.md")), ROOT / "keras_route" / "README.md")
    if path.exists() and "```python" in path.read_text(encoding="utf-8")
]
BLOCK = re.compile(
    r"^(?P<skipped><!-- not run -->\n+)?```python\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)

pytestmark = pytest.mark.tensorflow_only


def blocks(text):
    """Yield the first line, the code and the expected output of every block that runs."""
    for match in BLOCK.finditer(text):
        if not match["skipped"]:
            yield text.count("\n", 0, match.start("code")), match["code"], match["output"]


def run(path):
    """Run the blocks of a document in order; compare what they print."""
    namespace = {"__name__": "__main__"}
    for line, code, output in blocks(path.read_text(encoding="utf-8")):
        # Empty lines in front give tracebacks the lines of the document.
        compiled = compile("\n" * line + code, str(path), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compiled, namespace)
        if output is not None:
            assert printed.getvalue() == output, f"{path.name}, line {line + 1}"


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
