"""Folders that are written completely or not at all."""

import contextlib
import os

from keras_alt.files import beside, suffix_of, target_of


@contextlib.contextmanager
def folder_written_whole(path: str | os.PathLike):
    """Yield a temporary folder that becomes `path` when the block succeeds.

    Raises:
        FileExistsError: `path` exists and is not an empty folder.
        FileNotFoundError, PermissionError: the parent folder is missing or not writable.
        TypeError, ValueError: `path` is no path, or that of a device.
    """
    target, suffix = target_of(path), suffix_of(os.path.normpath(path))
    if os.path.lexists(target) and not (os.path.isdir(target) and not os.listdir(target)):
        raise FileExistsError(
            "A folder to write must be new or empty: remove what is there, or choose another "
            f"path. Received: path={target!r}"
        )
    with beside(target, suffix) as temporary:
        os.mkdir(temporary)
        yield temporary
