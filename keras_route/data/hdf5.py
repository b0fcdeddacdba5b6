"""Nets in HDF5 files of the published format."""

import contextlib
import dataclasses
import math
import os
from typing import Any

import keras
import numpy as np

from keras_route.argument_checks import check_flag, check_integer
from keras_route.data.random_nets import MOST_NETS, MOST_SIDE, NetFamily
from keras_route.files import target_of, written_whole
from keras_route.progress import progress_bar
from keras_route.technology.layers import LAYERS

CHANNELS = {"X": 1, "Y": len(LAYERS)}
CACHE_BYTES = 2**26  # of decompressed chunks for each dataset: several chunks of a usual size
CHECKED = ("v110", "v110")  # the first versions of HDF5 files with checksums of what is not data


def write_hdf5(
    path: str | os.PathLike,
    count: int,
    seed: int = 0,
    batch_size: int = 128,
    verbose: bool = True,
    **options,
) -> None:
    """Write the nets of `generate` to a file, channels first like the published files.

    The datasets are `X`, (count, 1, height, width), and `Y`, (count, 8, height, width), of uint8,
    compressed (gzip). Every part has a checksum that readers verify, so HDF5 1.10 or later is
    needed. The file's attributes hold the seed and the options. The file appears when it is
    complete, and then replaces a file of that name. To get more nets, write the file again with a
    larger count: the first nets are the same.

    Args:
        path: file to write.
        count: number of nets.
        seed: integer >= 0.
        batch_size: nets in a chunk; a chunk is read as a whole.
        verbose: whether to show a progress bar.
        **options: the other arguments of `generate`.

    Raises:
        TypeError, ValueError: as `generate` does.
        FileNotFoundError, PermissionError: the folder is missing, or not writable.
    """
    import h5py

    family = NetFamily(**options)
    check_integer("count", count, 1, MOST_NETS)
    check_integer("seed", seed, 0)
    nets_of_4_gib = (2**32 - 1) // (len(LAYERS) * family.height * family.width)
    check_integer("batch_size", batch_size, 1, nets_of_4_gib)  # HDF5 allows no larger chunk
    check_flag("verbose", verbose)
    progress = progress_bar(count, verbose=verbose)
    with (
        written_whole(path) as temporary,
        h5py.File(temporary, "w", libver=CHECKED, rdcc_nbytes=CACHE_BYTES) as file,
    ):
        size = (family.height, family.width)
        for name, channels in CHANNELS.items():
            file.create_dataset(
                name,
                (count, channels, *size),
                np.uint8,
                chunks=(min(batch_size, count), channels, *size),
                # Faster and smaller than the published lzf, and HDF5 reads it without a plugin.
                compression="gzip",
                compression_opts=1,
                fletcher32=True,
            )
        file.attrs["seed"] = seed
        file.attrs.update({k: v for k, v in dataclasses.asdict(family).items() if v is not None})
        for start, pins in family.blocks(count, seed):
            arrays = {n: np.zeros((len(pins), c, *size), np.uint8) for n, c in CHANNELS.items()}
            family.draw(pins, *(np.moveaxis(array, 1, -1) for array in arrays.values()))
            for name, array in arrays.items():
                file[name][start : start + len(pins)] = array
            progress.add(len(pins))


class HDF5Dataset(keras.utils.PyDataset):
    """Batches of nets from a file that `write_hdf5` or the published generator wrote.

    A batch is read when Keras asks for it. `fit` shuffles the batches, not the nets in a batch.

    Args:
        path: HDF5 file with `X` and `Y`: (N, 1, H, W) and (N, 8, H, W) with channels first, or
            (N, H, W, 1) and (N, H, W, 8) with channels last.
        batch_size: nets in each batch; the last may have fewer.
        workers, use_multiprocessing, max_queue_size: see `keras.utils.PyDataset`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is damaged, or does not hold nets.
    """

    def __init__(self, path: str | os.PathLike, batch_size: int = 32, **kwargs):
        super().__init__(**kwargs)
        check_integer("batch_size", batch_size, 1, MOST_NETS)
        target_of(path)  # checks its kind
        self.path = os.path.abspath(os.fspath(path))
        self.batch_size = batch_size
        self._file: Any = None  # h5py.File
        self._process: int | None = None
        with _opened(self.path) as file:
            self.count, self._channels_last = _layout(_found(file, self.path), self.path)

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Return `(x, y)` of one batch, uint8 and channels last, as `generate` does."""
        if not 0 <= index < len(self):
            raise IndexError(f"A batch has an index below {len(self)}. Received: index={index}")
        if self._process != os.getpid():  # a forked process must not use its parent's file
            self._file, self._process = _opened(self.path), os.getpid()
        return tuple(self._read(name, index * self.batch_size) for name in CHANNELS)

    def __getstate__(self):
        return self.__dict__ | {"_file": None, "_process": None}

    def _read(self, name, start):
        with _refused(self.path):
            values = self._file[name][start : start + self.batch_size]
        if not 0 <= values.min() <= values.max() <= 1:
            raise ValueError(
                "Nets are images of zeros and ones: divide other values by the largest. "
                f"Received: path={self.path!r}, {name}[{start}:] up to {values.max()}"
            )
        values = values if self._channels_last else np.moveaxis(values, 1, -1)
        return np.ascontiguousarray(values, np.uint8)


def _opened(path):
    import h5py

    if not os.path.exists(path):
        raise FileNotFoundError(
            f"There is no file to read nets from; `write_hdf5` writes one. Received: path={path!r}"
        )
    with _refused(path):
        return h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)


@contextlib.contextmanager
def _refused(path):
    """Tell in our words what h5py raises on a damaged file."""
    try:
        yield
    except (
        *(ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError),
        *(OSError, RuntimeError, TypeError, ValueError),
    ) as error:
        raise ValueError(
            "Nets are read from a complete HDF5 file without damage: write it again, or choose "
            f"another. Received: path={path!r}, {error}"
        ) from error


def _found(file, path):
    """Return the dtype and the shape of each dataset of a file."""
    with _refused(path):
        return {
            name: (value.dtype, value.shape)
            for name, value in file.items()
            if hasattr(value, "dtype") and hasattr(value, "shape")
        }


def _layout(found, path):
    """Return the number of nets of a file, and whether channels come last."""
    if found.keys() >= CHANNELS.keys() and all(found[n][0].kind in "uib" for n in CHANNELS):
        for axis in (1, 3):
            images = {_images(found[name][1], axis, c) for name, c in CHANNELS.items()}
            if len(images) == 1 and None not in images:
                return images.pop()[0], axis == 3
    received = {name: f"{dtype} {shape}" for name, (dtype, shape) in found.items()}
    raise ValueError(
        "Nets are two datasets of integers, X of shape (N, 1, H, W) or (N, H, W, 1) and Y of "
        f"shape (N, 8, H, W) or (N, H, W, 8), N > 0, H and W up to {MOST_SIDE}: rename or "
        "transpose what the file has. "
        f"Received: path={path!r} with {received}"
    )


def _images(shape, axis, channels):
    """Return (N, H, W) if `shape` has that many channels at `axis`, else None."""
    if len(shape) != 4 or shape[axis] != channels or not shape[0]:
        return None
    images = (*shape[:axis], *shape[axis + 1 :])
    return images if all(1 <= side <= MOST_SIDE for side in images[1:]) else None
