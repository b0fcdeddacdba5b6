"""What one benchmark takes from another is there."""

import ast
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "benchmarks"
TREES = {path.stem: ast.parse(path.read_text()) for path in FOLDER.glob("*.py")}


def defined(tree):
    """Return the names that a module defines or imports."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (
                name.id
                for target in node.targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            )
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


@pytest.mark.check
@pytest.mark.parametrize("name", sorted(TREES))
def test_imports_of_benchmarks_exist(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module in TREES:
            assert {alias.name for alias in node.names} <= {*defined(TREES[node.module])}, (
                node.module
            )
