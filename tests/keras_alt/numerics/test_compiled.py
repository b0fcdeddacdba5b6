"""C functions are compiled once for a machine, and their absence is said."""

import ctypes
import functools
import importlib
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import pytest

from keras_alt.formats import FixedPoint
from keras_alt.numerics import compiled, one_pass
from keras_alt.numerics.rounding import ROUNDINGS

pytestmark = [pytest.mark.backend, pytest.mark.check]
ROOT = pathlib.Path(compiled.__file__).parents[2]
BACKEND = keras.backend.backend()
LOADERS = {"tensorflow": "operators", "jax": "operators", "torch": "functions"}
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no compiler is installed"
)


@pytest.fixture
def first_use(monkeypatch, tmp_path):
    """Return the function that loads the backend's library, as in a new process of a new user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = importlib.import_module(f"keras_alt.numerics.{BACKEND}_cpu")
    name = f"_{LOADERS[BACKEND]}"
    monkeypatch.setattr(module, name, functools.cache(getattr(module, name).__wrapped__))
    return getattr(module, LOADERS[BACKEND])


@pytest.fixture
def library(monkeypatch, tmp_path):
    """Return a library that no process has loaded, which is compiled in no time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "FLAGS", ("-fPIC", "-std=c99"))
    return compiled.Library("one_pass.c", ctypes.CDLL, "Nothing becomes slower")


def files(folder):
    return list((folder / "keras_alt").iterdir())


def test_c_knows_every_rounding():
    assert set(one_pass.ROUNDINGS) == set(ROUNDINGS)
    fields = one_pass.fields((FixedPoint(8, signed=False), "floor", 6.0))
    assert fields == (3, 8, 0.0, 255.0, 0.0, 6.0, -128.0)


def test_a_missing_compiler_is_said_once(first_use, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    said = f"raining on {BACKEND}.*Received: no no-such-compiler on the path"
    with pytest.warns(UserWarning, match=f"(?i){said}"):
        assert first_use() is None
    assert first_use() is None  # a second warning would be an error


def test_an_error_of_the_compiler_is_said(first_use, monkeypatch):
    monkeypatch.setenv("CC", "false" if shutil.which("false") else sys.executable)
    with pytest.warns(UserWarning, match="could not be compiled"):
        assert first_use() is None


@needs_compiler
def test_a_library_is_compiled_once(library, monkeypatch, tmp_path):
    assert compiled.loaded(library).keras_alt_forward
    monkeypatch.setattr(compiled, "_compile", None)
    assert compiled.loaded(library).keras_alt_forward
    assert len(files(tmp_path)) == 1


@needs_compiler
def test_a_damaged_library_is_replaced(library, tmp_path):
    compiled.loaded(library)
    (path,) = files(tmp_path)
    size = path.stat().st_size
    path.unlink()  # it is loaded, and must not change
    path.write_bytes(b"cut")

    assert compiled.loaded(library).keras_alt_forward

    assert [path.stat().st_size for path in files(tmp_path)] == [size]


@needs_compiler
def test_without_a_cache_it_is_compiled_for_the_process(library, monkeypatch, tmp_path):
    occupied = tmp_path / "occupied"
    occupied.write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    assert compiled.loaded(library).keras_alt_forward


@needs_compiler
def test_other_sources_and_flags_are_another_library(library, tmp_path):
    compiled.loaded(library)
    compiled.loaded(library._replace(compile_flags=("-DUNUSED",)))
    compiled.loaded(library._replace(link_flags=("-pthread",)))
    assert len(files(tmp_path)) == 3


@needs_compiler
def test_the_sources_have_no_warnings(monkeypatch, library):
    """Those of TensorFlow and JAX include the others."""
    strict = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")
    if BACKEND == "jax":
        import jax

        include = f"-I{jax.ffi.include_dir()}"
        library = library._replace(source="one_pass_jax.c", compile_flags=(include,))
        library = library._replace(link_flags=("-pthread",))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        include = f"-I{tf.sysconfig.get_include()}"
        library = library._replace(source="one_pass_tensorflow.c", compile_flags=(include,))
        library = library._replace(link_flags=("-pthread", *tf.sysconfig.get_link_flags()))
    flags = (*library.compile_flags, *strict)
    opened = library._replace(compile_flags=flags, load=lambda path: path)
    assert compiled.loaded(opened)


USE = """
import warnings
import keras, numpy
from keras_alt import FixedPoint, fake_quant
from keras_alt.numerics import {backend}_cpu

def quantized():
    x = keras.ops.convert_to_tensor(numpy.linspace(-2, 2, 2**17, dtype="float32"))
    return keras.ops.convert_to_numpy(fake_quant(x, 0.0, FixedPoint(8)))

assert {backend}_cpu.{load}() is not None
expected = quantized()
"""
SECOND_COPY = """
import os, sys
os.environ["XDG_CACHE_HOME"] = sys.argv[1]
{backend}_cpu._operators.cache_clear()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert {backend}_cpu.operators() is None
assert "has registered no operators" in str(caught[0].message), caught
assert (quantized() == expected).all()
"""


def run(script, cache, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    script = script.replace("{backend}", BACKEND).replace("{load}", LOADERS[BACKEND])
    command = [sys.executable, "-W", "error::UserWarning:keras_alt", "-c", script, *arguments]
    subprocess.run(command, env=environment, check=True)


@needs_compiler
@pytest.mark.full
def test_processes_share_a_library_and_replace_a_damaged_one(tmp_path):
    run(USE, tmp_path)
    (path,) = files(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size // 2])
    run(USE, tmp_path)
    assert [path.stat().st_size for path in files(tmp_path)] == [size]


@needs_compiler
@pytest.mark.full
def test_a_process_runs_without_a_cache(tmp_path):
    (tmp_path / "occupied").write_bytes(b"")
    run(USE, tmp_path / "occupied")


@needs_compiler
@pytest.mark.skipif(BACKEND == "torch", reason="functions have no names in a process")
@pytest.mark.full
def test_a_second_copy_of_the_operators_is_done_without(tmp_path):
    """A process registers each name once. The loops of XLA take over."""
    run(USE + SECOND_COPY, tmp_path / "first", str(tmp_path / "second"))
