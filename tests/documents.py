"""Running of the Python in a document.

The blocks of a document share one namespace. A ```text block that follows a ```python block is its
exact output. A block that follows `<!-- not run -->` is left out.
"""

import contextlib
import io
import re

BLOCK = re.compile(
    r"^(?P<skipped><!-- not run -->\n+)?```python\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


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
