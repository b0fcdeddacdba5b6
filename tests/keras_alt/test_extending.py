"""A package outside adds an operator, a target, an engine and a threshold rule."""

import pathlib

import keras
import pytest
from conftest import assert_same_outputs, randomize, sample
from documents import run

import keras_alt
from keras_alt import integer, operators, targets
from keras_alt.engines import ENGINES, litert, onnx_nodes
from keras_alt.engines.c.elements import ELEMENTS
from keras_alt.engines.onnx_float.writer import FLOAT_LAYERS
from keras_alt.functions import FUNCTIONS
from keras_alt.integer.reader import HANDLERS
from keras_alt.layers import QuantDense
from keras_alt.layers.kernel import QuantizedKernel
from keras_alt.transforms.as_keras import TWINS

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "extending.md"
TABLES = (
    *(operators.OPERATORS, integer.OPERATIONS, HANDLERS, targets.TARGETS, ENGINES),
    *(litert.operators.OPERATORS, onnx_nodes.NODES, ELEMENTS, FLOAT_LAYERS, FUNCTIONS, TWINS),
)


class Scaled(keras.layers.Dense):
    """A layer of another package with a kernel."""


@keras.saving.register_keras_serializable(package="outside")
class QuantScaled(QuantizedKernel, Scaled):
    linear = QuantDense.linear


@pytest.fixture(autouse=True)
def tables():
    """Take back what a test enters."""
    kept = [dict(table) for table in TABLES]
    yield
    for table, entries in zip(TABLES, kept, strict=True):
        table.clear()
        table.update(entries)


def test_a_kernel_layer_is_split_folded_and_moved_like_those_of_keras(rng):
    operators.OPERATORS[Scaled] = operators.product(QuantScaled)
    HANDLERS[QuantScaled] = HANDLERS[QuantDense]
    inputs = keras.Input((4,))
    x = Scaled(5, activation="relu", name="active")(inputs)
    x = keras.layers.BatchNormalization()(Scaled(5, name="linear")(x))
    model = randomize(keras.Model(inputs, keras.layers.Dense(2)(x)), rng)
    x = sample(model, rng, 16)
    q = keras_alt.quantize_model(model)
    keras_alt.calibrate(q, x, verbose=False)
    assert [type(layer).__name__ for layer in q.layers].count("QuantScaled") == 2
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in q.layers)
    assert keras_alt.verify(q, x, verbose=False)
    moved = keras_alt.retarget(keras_alt.retarget(q, "onnx"), "paper", calibration_data=x)
    assert_same_outputs(moved, q, x)


@pytest.mark.tensorflow_only
def test_the_worked_example_runs_as_it_stands():
    for package in ("ai_edge_litert", "onnxruntime"):
        pytest.importorskip(package)
    run(DOCUMENT)
