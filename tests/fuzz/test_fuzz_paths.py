"""Paths that exporters cannot write, or can: a whole file or folder, or none."""

import os
import pathlib

import keras
import numpy as np
import pytest
from attempts import attempt
from hypothesis import strategies as st
from keras import layers as L

import keras_alt
from keras_alt.files import PREFIX
from keras_route.data.hdf5 import write_hdf5

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
NO_PATHS = (None, 3, 1.5, b"x", [], {}, object(), True, ("a", "b"), np.array("x"))
NAMES = st.one_of(
    st.sampled_from(["x", "x/", "x.tflite", "folder", "folder/", "folder/x", "no/x", "file/x"]),
    st.sampled_from(["", ".", "..", "/", "//", "~", "a" * 300, "a" * 255, "a\0b", "\ud800", "é"]),
    st.sampled_from(["link", "dangling", "circle", "link/", "pipe", "locked/x", " ", "*", "-x"]),
    st.text(max_size=5).filter(lambda text: "/" not in text),
)


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4,), name="i")
    outputs = L.Dense(2, name="c1")(inputs)
    return keras_alt.quantize_model(keras.Model(inputs, outputs), calibration_data=X)


def fill(folder):
    """Make a folder with everything that a path may meet."""
    (folder / "folder").mkdir()
    (folder / "folder" / "kept").write_text("kept")
    (folder / "file").write_text("kept")
    (folder / "link").symlink_to(folder / "file")
    (folder / "dangling").symlink_to(folder / "new")
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe")
    (folder / "locked").mkdir(mode=0o500)


def test_exporters(model, tmp_path):
    writers = {
        "to_integers": lambda path: keras_alt.export.to_integers(model, path),
        "to_c": lambda path: keras_alt.export.to_c(model, path),
        "write_hdf5": lambda path: write_hdf5(path, 2, verbose=False, height=8, width=8),
        "certificate": lambda path: keras_alt.report(model).certificate(path),
        "page": lambda path: keras_alt.report(model).to_html(path),
    }
    count = iter(range(10**9))
    kinds = st.sampled_from([str, pathlib.Path])

    @attempt("paths", 60, st.sampled_from(sorted(writers)), NAMES, kinds)
    def _(writer, name, kind):
        folder = tmp_path / str(next(count))
        folder.mkdir()
        fill(folder)
        before = {path.name for path in folder.iterdir()}
        try:
            writers[writer](kind(os.path.join(folder, name)) if name else kind(name))
        except Exception:
            assert {path.name for path in folder.iterdir()} == before
            assert (folder / "file").read_text() == "kept"
            raise
        finally:
            assert (folder / "folder" / "kept").read_text() == "kept"
            assert (folder / "link").is_symlink()
            assert not list(folder.rglob(f"{PREFIX}*"))

    @attempt("paths, none", 20, st.sampled_from(sorted(writers)), st.sampled_from(NO_PATHS))
    def _(writer, path):
        writers[writer](path)
        raise AssertionError(f"{writer} wrote to {path!r}")
