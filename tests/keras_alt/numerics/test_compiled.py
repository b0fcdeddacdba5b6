"""C functions are compiled once for a machine, and their absence is said."""

import shutil
import sys

import keras
import pytest

from keras_alt.formats import FixedPoint
from keras_alt.numerics import compiled
from keras_alt.numerics.rounding import ROUNDINGS

pytestmark = [pytest.mark.backend, pytest.mark.check]
needs_compiler = pytest.mark.skipif(
    keras.backend.backend() != "torch" or not any(map(shutil.which, compiled.COMPILERS)),
    reason="the library needs a compiler, and the threads of torch",
)


@pytest.fixture
def first_use(monkeypatch, tmp_path):
    """Return the function that loads the library, as in a new process of a new user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled._functions.cache_clear()
    yield compiled.functions
    compiled._functions.cache_clear()


def test_c_knows_every_rounding():
    assert set(compiled.ROUNDINGS) == set(ROUNDINGS)
    rules = compiled.c_rules((FixedPoint(8, signed=False), "floor", 6.0))
    assert [rules.rounding, rules.shift, rules.qmin, rules.qmax] == [3, 8, 0, 255]
    assert [rules.low, rules.high, rules.zero_point] == [0.0, 6.0, -128.0]


def test_a_missing_compiler_is_said_once(first_use, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.warns(UserWarning, match="Received: no no-such-compiler on the path"):
        assert first_use() is None
    assert first_use() is None  # a second warning would be an error


def test_an_error_of_the_compiler_is_said(first_use, monkeypatch):
    monkeypatch.setenv("CC", "false" if shutil.which("false") else sys.executable)
    with pytest.warns(UserWarning, match="could not be compiled"):
        assert first_use() is None


@needs_compiler
@pytest.mark.full
def test_the_library_is_kept_and_a_damaged_one_is_replaced(first_use, tmp_path):
    functions = first_use()
    assert set(functions) == set(compiled.ARGUMENTS)
    (library,) = (tmp_path / "keras_alt").iterdir()
    size = library.stat().st_size
    library.unlink()  # it is loaded, and must not change
    library.write_bytes(b"cut")
    compiled._functions.cache_clear()

    first_use()

    assert [path.stat().st_size for path in library.parent.iterdir()] == [size]


@needs_compiler
@pytest.mark.full
def test_without_a_cache_it_is_compiled_for_the_process(first_use, monkeypatch, tmp_path):
    occupied = tmp_path / "occupied"
    occupied.write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    assert set(first_use()) == set(compiled.ARGUMENTS)
