import os
import pickle

import h5py
import keras
import numpy as np
import pytest

from keras_route.data.hdf5 import HDF5Dataset, write_hdf5
from keras_route.data.random_nets import BLOCK, NetFamily, generate

pytestmark = pytest.mark.check


@pytest.fixture
def path(tmp_path):
    return tmp_path / "nets.hdf5"


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def read(dataset):
    """Return all batches, joined."""
    return [np.concatenate(arrays) for arrays in zip(*dataset, strict=True)]


@pytest.mark.parametrize(
    ("count", "batch_size"), [(1, 1), (1, 128), (20, 1), (2 * BLOCK + 3, 100), (2 * BLOCK, 128)]
)
def test_written_nets_are_the_generated_ones(path, count, batch_size):
    options = {"height": 8, "width": 12, "max_pins": 3, "split": "train"}

    write_hdf5(path, count, seed=4, batch_size=batch_size, verbose=False, **options)

    dataset = HDF5Dataset(path, 64)
    for found, expected in zip(read(dataset), generate(count, 4, **options), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert all(a.dtype == np.uint8 and a.flags.c_contiguous for a in dataset[0])


def test_the_file_has_the_published_format_and_says_how_it_was_made(path):
    write_hdf5(path, 300, seed=2, verbose=False, max_pins=4)
    with h5py.File(path) as file:
        assert set(file) == {"X", "Y"}
        assert file["X"].shape == (300, 1, 32, 32)
        assert file["Y"].shape == (300, 8, 32, 32)
        assert file["Y"].chunks == (128, 8, 32, 32)
        assert file["X"].dtype == file["Y"].dtype == np.uint8
        np.testing.assert_array_equal(file["X"][:, 0], file["Y"][:, 0])
        made = {k: v.item() for k, v in file.attrs.items()}
    seed = made.pop("seed")
    for found, expected in zip(read(HDF5Dataset(path)), generate(300, seed, **made), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_same_seed_writes_the_same_bytes(path, tmp_path):
    other = tmp_path / "again.hdf5"
    for p in (path, other):
        write_hdf5(p, 600, verbose=False)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("size", [(8, 8), (1, 8), (8, 1), (5, 1)])
@pytest.mark.parametrize("axis", [1, -1])
def test_both_orders_of_axes_are_read(path, size, axis):
    x, y = generate(10, height=size[0], width=size[1])
    write(path, X=np.moveaxis(x, -1, axis), Y=np.moveaxis(y, -1, axis))
    for found, expected in zip(read(HDF5Dataset(path, 4)), (x, y), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_files_of_the_published_generator_are_read(path):
    x, y = (np.moveaxis(array, -1, 1) for array in generate(30))
    with h5py.File(path, "w") as file:
        for name, array in (("X", x), ("Y", y)):
            chunks = (1, 1, 32, 32)
            file.create_dataset(name, data=array, compression="lzf", chunks=chunks)
    for found, expected in zip(read(HDF5Dataset(path, 7)), generate(30), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_an_interrupted_run_leaves_no_broken_file(path, monkeypatch, before):
    if before:
        path.write_bytes(before)
    blocks = NetFamily.blocks

    def interrupted(self, count, seed):
        for start, pins in blocks(self, count, seed):
            if start:
                raise KeyboardInterrupt
            yield start, pins

    monkeypatch.setattr(NetFamily, "blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_hdf5(path, 3 * BLOCK, verbose=False)

    assert os.listdir(path.parent) == ([path.name] if before else [])
    assert not before or path.read_bytes() == before


def test_a_progress_bar_counts_the_nets(path, capsys):
    write_hdf5(path, 700)
    assert "700/700" in capsys.readouterr().out
    write_hdf5(path, 700, verbose=False)
    assert not capsys.readouterr().out


def test_a_dataset_can_be_sent_to_another_process(path):
    write_hdf5(path, 20, verbose=False)
    dataset = HDF5Dataset(path, 8)
    first = dataset[0]
    for found, expected in zip(pickle.loads(pickle.dumps(dataset))[0], first, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_process_opens_the_file_itself(path, monkeypatch):
    write_hdf5(path, 20, verbose=False)
    dataset = HDF5Dataset(path, 8)
    first, opened = dataset[0], dataset._file
    monkeypatch.setattr(os, "getpid", lambda: -1)
    np.testing.assert_array_equal(dataset[0][1], first[1])
    assert dataset._file is not opened


def test_models_train_on_a_file(path):
    write_hdf5(path, 20, verbose=False, height=8, width=8)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(8, 3, padding="same")])
    model.compile("sgd", "mse")
    x, y = generate(20, height=8, width=8)
    dataset = HDF5Dataset(path, 8, workers=2)
    loss = model.evaluate(dataset, verbose=0)
    assert loss == pytest.approx(model.evaluate(x, y, batch_size=8, verbose=0), rel=1e-6)
    assert len(model.fit(dataset, epochs=2, verbose=0).history["loss"]) == 2


IMAGES = np.zeros((3, 8, 5, 6), np.uint8)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"X": IMAGES[:, :1]},
        {"X": IMAGES[:, :1], "Y": IMAGES[:, :7]},
        {"X": IMAGES[:, :2], "Y": IMAGES},
        {"X": IMAGES[:2, :1], "Y": IMAGES},
        {"X": IMAGES[:0, :1], "Y": IMAGES[:0]},
        {"X": IMAGES[:, 0], "Y": IMAGES},
        {"X": IMAGES[:, :1, :4], "Y": IMAGES},
        {"X": IMAGES[:, :1], "Y": np.moveaxis(IMAGES, 1, -1)},
        {"X": IMAGES[:, :1], "Y": IMAGES.astype(float)},
        {"X": IMAGES[:, :1], "Y": b"text"},
    ],
    ids=lambda arrays: " ".join(f"{k}{np.shape(v)}" for k, v in arrays.items()) or "nothing",
)
def test_foreign_files_are_refused_with_what_they_have(path, arrays):
    write(path, **arrays)
    with pytest.raises(
        ValueError, match=r"(?s)X of shape \(N, 1, H, W\).*Received: path="
    ) as error:
        HDF5Dataset(path)
    for name in arrays:
        assert f"'{name}'" in str(error.value)
    assert str(path) in str(error.value)


def test_groups_are_not_nets(path):
    with h5py.File(path, "w") as file:
        file.create_group("X")
        file.create_group("Y")
    with pytest.raises(ValueError, match="two datasets"):
        HDF5Dataset(path)


def test_images_of_other_values_are_refused(path):
    write(path, X=IMAGES[:, :1], Y=IMAGES + 255)
    with pytest.raises(ValueError, match=r"zeros and ones.*Y\[0:\] up to 255"):
        HDF5Dataset(path)[0]


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_damaged_files_are_refused(path, kept):
    write_hdf5(path, 50, verbose=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(ValueError, match="complete HDF5 file"):
        HDF5Dataset(path)


def test_damaged_nets_are_refused(path, rng):
    write_hdf5(path, 8, verbose=False, height=8, width=8)
    whole = path.read_bytes()
    with h5py.File(path) as file:
        chunks = [file[name].id.get_chunk_info(0) for name in ("X", "Y")]
    for chunk in chunks * 10:
        damaged = bytearray(whole)
        place = chunk.byte_offset + rng.integers(chunk.size)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"without damage.*Received: path="):
            HDF5Dataset(path, 8)[0]


def test_a_bit_anywhere_changes_no_net_in_silence(path, rng):
    write_hdf5(path, 8, verbose=False, height=8, width=8, batch_size=3)
    whole, right = path.read_bytes(), read(HDF5Dataset(path))
    for place in [*range(0, 60, 2), *range(60, len(whole), 17)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = read(HDF5Dataset(path))
        except ValueError as error:
            assert "Received: path=" in str(error)  # noqa: PT017 - a harmless bit is no error
        else:
            assert all(map(np.array_equal, found, right)), place


def test_chunks_have_a_checksum(path):
    write_hdf5(path, 5, verbose=False)
    with h5py.File(path) as file:
        assert file["X"].fletcher32
        assert file["Y"].fletcher32


@pytest.mark.parametrize("given", [None, 3, b"nets.h5"])
def test_a_path_is_a_text(given):
    with pytest.raises(TypeError, match="`path` must be a string"):
        HDF5Dataset(given)
    with pytest.raises(TypeError, match="`path` must be a string"):
        write_hdf5(given, 5, verbose=False)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"no file to read nets from.*nets\.hdf5"):
        HDF5Dataset(path)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"count": 0}, ValueError, "`count`"),
        ({"batch_size": 0}, ValueError, "`batch_size`"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"split": "test"}, ValueError, "`split`"),
        ({"split": []}, ValueError, "`split`"),
        ({"count": 10**14}, ValueError, "`count` must be at most"),
        ({"batch_size": 10**9}, ValueError, "`batch_size` must be at most"),
        ({"height": 10**5}, ValueError, "`height` must be at most"),
        ({"max_pins": 10**12}, ValueError, "`max_pins` must be at most"),
        ({"deduplicate": "no"}, TypeError, "`deduplicate` must be True or False"),
        ({"verbose": "no"}, TypeError, "`verbose` must be True or False"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(path, options, error, words):
    with pytest.raises(error, match=words):
        write_hdf5(path, **{"count": 5} | options)
    assert not path.exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder"):
        write_hdf5(tmp_path / "nowhere" / "nets.hdf5", 5)


def test_a_dataset_needs_a_batch_size_and_an_index_within(path):
    write_hdf5(path, 5, verbose=False)
    with pytest.raises(ValueError, match="`batch_size`"):
        HDF5Dataset(path, 0)
    with pytest.raises(IndexError, match="below 2"):
        HDF5Dataset(path, 4)[2]
