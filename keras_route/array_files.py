"""Reading of .npy and .npz files that anybody may have written."""

import os

import numpy as np


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray] | np.ndarray:
    """Return the array of a .npy file, or those of a .npz file by their names; run no code of it.

    Raises:
        FileNotFoundError, PermissionError: the file cannot be read.
        ValueError: NumPy did not write the file, or it is damaged.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            return {name: found[name] for name in found.files}
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # each kind of damage has an exception of its own
        raise ValueError(
            "Arrays are read from a file that `numpy.save` or `numpy.savez` wrote, complete and "
            f"without objects. Received: {os.fspath(path)} ({type(error).__name__}: {error})"
        ) from error
