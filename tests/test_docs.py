"""The documentation site leaves no page and no public name out."""

import ast
import fnmatch
import pathlib
import re
import shlex

import pytest

from keras_alt.cli.arguments import parser

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    str(path.relative_to(DOCS).with_suffix(""))
    for path in DOCS.rglob("*")
    if path.suffix in (".md", ".ipynb")
}
TOCTREE = re.compile(r"^```\{toctree\}\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"<(?P<page>.*)>$")
API = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md"))
PACKAGES = (
    "keras_alt",
    *("keras_alt." + name for name in ("layers", "callbacks", "calibration", "export", "integer")),
    "keras_alt.tfmot",
    "keras_route",
    *("keras_route." + name for name in ("callbacks",)),
)

TEXTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "keras_route" / "README.md"])
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (?P<text>.*)$", re.MULTILINE)
COMMANDS = [
    line
    for path in TEXTS
    for line in path.read_text(encoding="utf-8").splitlines()
    if line.startswith("keras-alt ")
]

pytestmark = pytest.mark.check


def entries(page):
    """Return the pages that the toctrees of a page list."""
    path = DOCS / f"{page}.md"
    found = set()
    for match in TOCTREE.finditer(path.read_text(encoding="utf-8") if path.exists() else ""):
        for line in filter(None, map(str.strip, match["body"].splitlines())):
            if not line.startswith(":"):
                titled = ENTRY.search(line)
                pattern = str(
                    pathlib.PurePosixPath(page).parent / (titled["page"] if titled else line)
                )
                found.update(fnmatch.filter(PAGES, pattern))
    return found


def test_every_page_is_in_a_toctree():
    reached, pending = set(), ["index"]
    while pending:
        page = pending.pop()
        reached.add(page)
        pending += entries(page) - reached

    assert sorted(PAGES - reached) == []


def public_names(package):
    """Return what the `__init__` of a package imports for its users: `from ... import x as x`."""
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    imports = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ImportFrom)]
    names = [(alias.name, alias.asname) for node in imports for alias in node.names]
    return [name for name, public in names if name == public and not name.startswith("_")]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_api_reference(package):
    names = public_names(package)

    missing = [name for name in names if not re.search(rf"\b{package}\.{name}\b|`{name}`", API)]

    assert names and missing == []


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_takes_every_line_of_the_documents(line):
    _, *words = shlex.split(line, comments=True)

    assert parser().parse_args(words).command == words[0]


def anchors(path):
    """Return the anchors of the headings of a document, as MyST and repositories make them."""
    texts = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    for link in LINK.finditer(path.read_text(encoding="utf-8")):
        target = path.parent / link["file"] if link["file"] else path

        assert target.exists(), link.group()
        assert link["heading"] is None or link["heading"] in anchors(target), link.group()
