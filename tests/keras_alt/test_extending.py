"""A package outside adds an operator, a target, an engine and a threshold rule."""

import pathlib

import pytest
from documents import run

from keras_alt import integer, operators, targets
from keras_alt.engines import ENGINES, litert, onnx_nodes
from keras_alt.integer.reader import HANDLERS

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "extending.md"
TABLES = (
    *(operators.OPERATORS, integer.OPERATIONS, HANDLERS, targets.TARGETS, ENGINES),
    *(litert.operators.OPERATORS, onnx_nodes.NODES),
)


@pytest.mark.tensorflow_only
def test_the_worked_example_runs_as_it_stands():
    for package in ("ai_edge_litert", "onnxruntime"):
        pytest.importorskip(package)
    kept = [dict(table) for table in TABLES]
    try:
        run(DOCUMENT)
    finally:
        for table, entries in zip(TABLES, kept, strict=True):
            table.clear()
            table.update(entries)
