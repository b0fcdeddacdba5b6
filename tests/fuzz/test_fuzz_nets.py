"""Changed CSV, JSON, HDF5 and npz files of nets and data."""

import dataclasses
import json

import h5py
import keras
import numpy as np
from attempts import attempt
from hypothesis import strategies as st
from mutations import ABSURD, damaged, reworded

from keras_alt.cli.data import Choice, read_data
from keras_route.data.hdf5 import HDF5Dataset, write_hdf5
from keras_route.formats.pin_files import read_pins
from keras_route.training.search_labels import ARRAYS, SearchFamily, read_search_labels

CSV = "net, x, y\n# two nets\na, 3, 5\na, 20, 9\nb, 0, 31\nb, 31, 0\nb, 7, 7\n"
JSON = json.dumps({"a": [[3, 5], [20, 9]], "b": [[0, 31], [31, 0], [7, 7]]})
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(ABSURD)),
    lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(st.text(max_size=2), v)),
    max_leaves=8,
)


def text(original):
    return st.one_of(
        reworded(original).map(lambda t: t.encode("utf-8", "surrogatepass")),
        damaged(original.encode()),
    )


def check(nets):
    for pins in nets.values():
        assert pins.ndim == 2
        assert ((pins >= 0) & (pins < 32)).all()


def test_pins(tmp_path):
    @attempt("CSV", 8, text(CSV))
    def _(data):
        (tmp_path / "pins.csv").write_bytes(data)
        check(read_pins(tmp_path / "pins.csv"))

    @attempt("JSON", 10, st.one_of(text(JSON), VALUES.map(lambda v: json.dumps(v).encode())))
    def _(data):
        (tmp_path / "pins.json").write_bytes(data)
        check(read_pins(tmp_path / "pins.json"))


def test_hdf5(tmp_path):
    path = tmp_path / "nets.h5"
    write_hdf5(path, 5, verbose=False, height=8, width=8, batch_size=2)
    whole, right = path.read_bytes(), list(HDF5Dataset(path))

    @attempt("HDF5", 12, damaged(whole))
    def _(data):
        path.write_bytes(data)
        for found, expected in zip(list(HDF5Dataset(path)), right, strict=True):
            assert all(map(np.array_equal, found, expected))

    kinds = st.sampled_from(["u1", "i8", "?", "f4", "S3", "c8", [("a", "u1")]])
    sizes = st.lists(st.integers(0, 9), max_size=5).map(tuple)

    @attempt("HDF5, other", 12, st.dictionaries(st.sampled_from("XYZ"), st.tuples(kinds, sizes)))
    def _(arrays):
        with h5py.File(path, "w") as file:
            for name, (kind, shape) in arrays.items():
                file[name] = np.ones(shape).astype(kind)
        x, y = HDF5Dataset(path)[0]
        assert x.shape[3] == 1
        assert y.shape[3] == 8


def test_archives(tmp_path):
    path = tmp_path / "x.npz"
    inputs = [keras.KerasTensor((None, 4), name="i")]
    right = np.arange(32, dtype="float32").reshape(8, 4)
    forms = []
    for write in (np.savez, np.savez_compressed):
        write(path, i=right, y=np.arange(8))
        forms.append(path.read_bytes())

    def same(path):
        found = read_data(str(path), inputs, Choice()).x
        found = found if isinstance(found, np.ndarray) else found["i"]
        assert found.shape != right.shape or np.array_equal(found, right)

    @attempt("npz", 8, st.sampled_from(forms).flatmap(damaged))
    def _(data):
        path.write_bytes(data)
        same(path)

    np.save(tmp_path / "x.npy", right)
    whole = (tmp_path / "x.npy").read_bytes()

    @attempt("npy", 8, damaged(whole))
    def _(data):
        (tmp_path / "x.npy").write_bytes(data)
        read_data(str(tmp_path / "x.npy"), inputs, Choice())


def test_windows(tmp_path):
    path = tmp_path / "windows.npz"
    family = SearchFamily(height=8, width=8)
    bits = {name: np.full((2, 8 if name == "pins" else 32), i) for i, name in enumerate(ARRAYS)}
    packed = {name: array.astype("uint8") for name, array in bits.items()}
    np.savez_compressed(path, told=json.dumps(dataclasses.asdict(family) | {"seed": 0}), **packed)
    whole = path.read_bytes()
    right = read_search_labels(path)

    @attempt("windows", 10, damaged(whole))
    def _(data):
        path.write_bytes(data)
        found = read_search_labels(path)
        assert all(np.array_equal(found.packed[k], v) for k, v in right.packed.items())
