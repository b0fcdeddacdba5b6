"""Damaged files of models are told, also where the HDF5 library would not come back."""

import struct

import h5py
import keras
import pytest

from keras_alt.cli import whole_files
from keras_alt.cli.models import read_model
from keras_alt.cli.whole_files import require_whole


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_whole_files_pass_and_short_ones_do_not(suffix, model, tmp_path):
    path = tmp_path / f"model{suffix}"
    model.save(path)
    require_whole(str(path))

    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(ValueError, match=f"model{suffix}: it is damaged"):
        read_model(path)


def test_a_changed_weight_in_an_archive_is_damage(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    content = bytearray(path.read_bytes())
    kernel = model.layers[0].kernel.numpy().tobytes()
    content[content.index(kernel)] ^= 1
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"its part model\.weights\.h5 is damaged"):
        read_model(path)


def test_a_file_that_the_library_never_finishes_is_damaged(tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "3.15.1"
    content = bytearray(path.read_bytes())
    # Texts are in a heap. This size leads from the first of them back to itself.
    size = content.index(b"GCOL") + 16 + 8
    content[size : size + 8] = struct.pack("<q", -16)
    path.write_bytes(content)
    monkeypatch.setattr(whole_files, "SECONDS", 3)

    with pytest.raises(ValueError, match="does not finish reading it"):
        read_model(path)
