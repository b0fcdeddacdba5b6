"""A package outside adds layers and operations to the integer program."""

import pathlib
import re

import keras
import numpy as np
import pytest
from conftest import sample
from keras import layers as L

import keras_alt
from keras_alt import FixedPoint, Quantizer, integer
from keras_alt.engines.integer.runner import IntegerModel
from keras_alt.export import ExportError, to_integers
from keras_alt.integer import Constant, handles
from keras_alt.integer.reader import HANDLERS

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "files.md"
SECTION = DOCUMENT.read_text().partition("## In Python")[2]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(autouse=True)
def registries():
    """Take back what a test registers."""
    kept = [(registry, dict(registry)) for registry in (HANDLERS, integer.OPERATIONS)]
    yield
    for registry, entries in kept:
        registry.clear()
        registry.update(entries)


class Absolute(L.Layer):
    def call(self, x):
        return keras.ops.abs(x)


class Square(L.Layer):
    def call(self, x):
        return keras.ops.square(x)


def between_quantizers(function):
    """Return a model, its inputs and the codes that Keras computes."""
    inputs = keras.Input((5,))
    x = Quantizer(FixedPoint(8), initial_threshold=2.0)(inputs)
    model = keras.Model(inputs, Quantizer(FixedPoint(6), initial_threshold=2.0)(function(x)))
    x = sample(model, np.random.default_rng(0), 16)
    return model, x, keras.ops.convert_to_numpy(model(x)) * 16


def test_a_layer_is_written_with_the_operators_of_variables(tmp_path):
    exec(BLOCKS[0], {"Absolute": Absolute})
    model, x, expected = between_quantizers(Absolute())

    (codes,) = integer.run(integer.read(model), x, verbose=False)
    (written,) = IntegerModel(to_integers(model, tmp_path / "integers")).run([x])

    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(written, expected)
    assert keras_alt.verify(model, x, verbose=False)


def test_an_operator_of_keras_is_named():
    @handles("Negative")
    def negative(reader, call):
        return reader.operand(call) * Constant(np.array(-1), 0, FixedPoint(2))

    model, x, expected = between_quantizers(keras.ops.negative)

    (codes,) = integer.run(integer.read(model), x, verbose=False)

    np.testing.assert_array_equal(codes, expected)


def test_an_operation_from_outside_is_computed_but_not_written(tmp_path):
    exec(BLOCKS[1], {"Square": Square})
    model, x, expected = between_quantizers(Square(name="power"))
    reading = integer.read(model)

    (codes,) = integer.run(reading, x, verbose=False)

    np.testing.assert_array_equal(codes, expected)
    (tensor,) = [t for t in reading.program.tensors if t.name == "power"]
    assert (tensor.low, tensor.high) == (0, 128**2)
    with pytest.raises(ExportError, match="arithmetic.*square of layer 'power'"):
        to_integers(model, tmp_path / "integers")
    assert not (tmp_path / "integers").exists()
