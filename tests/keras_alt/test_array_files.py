"""Files of arrays are read whole or refused, and nothing in them runs."""

import numpy as np
import pytest

from keras_alt.array_files import read_arrays

pytestmark = pytest.mark.check


class Trap:
    """An object that writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_objects_are_not_unpickled(name, tmp_path):
    array = np.array([Trap(tmp_path / "trapped")])
    (np.savez if name.endswith("z") else np.save)(tmp_path / name, array)
    with pytest.raises(ValueError, match=r"without objects.*Received: .*x\.np"):
        read_arrays(tmp_path / name)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("write", [np.save, np.savez, np.savez_compressed])
def test_a_bit_anywhere_changes_no_array_of_an_archive(write, tmp_path, rng):
    path, right = tmp_path / ("x.npy" if write is np.save else "x.npz"), np.arange(8)
    write(path, right)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = read_arrays(path)
        except ValueError as error:
            assert "Received: " in str(error)  # noqa: PT017 - a harmless bit is no error
        else:  # a .npy file has no checksum, nor have the names in a .npz file
            arrays = found.values() if isinstance(found, dict) else ()
            assert all(np.array_equal(array, right) for array in arrays)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.npz"):
        read_arrays(tmp_path / "x.npz")
