"""What the tests of exported C share: a strict compiler, and the law that programs hold to."""

import shutil
import tempfile

import keras
import numpy as np
import pytest

from keras_alt.engines.c.compiler import COMPILERS
from keras_alt.engines.c.run import CEngine
from keras_alt.integer import Reading, trace

# Optimization costs more time than the tiny networks take to run.
STRICT = "-O0 -Wall -Wextra -Wconversion -pedantic -Werror"


def reading_of(program):
    """Return a reading of a program, without float layers."""
    x = keras.Input((1,))
    empty = keras.Model(x, x)
    return Reading(program, "paper", empty, empty, program.outputs, [], [], {})


def assert_computes(program, codes):
    """C gives the output codes of the integer engine."""
    with tempfile.TemporaryDirectory() as folder:
        engine = CEngine(reading_of(program), folder)
        found = engine.compute([], codes)
    expected = trace(program, codes, keep=program.outputs)
    for position in program.outputs:
        whole = np.broadcast_to(expected[position], found[position].shape)
        np.testing.assert_array_equal(found[position], whole)
    assert program.outputs


@pytest.fixture
def strict_compiler(monkeypatch):
    """Warnings are errors. Without a compiler, nothing can be tested."""
    if not any(map(shutil.which, COMPILERS)):
        pytest.skip(f"none of {', '.join(COMPILERS)} is installed")
    monkeypatch.setenv("CFLAGS", STRICT)
