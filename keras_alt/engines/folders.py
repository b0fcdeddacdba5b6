"""Folders that are written completely or not at all."""

import contextlib
import os

from keras_alt.files import beside, target_of


@contextlib.contextmanager
def folder_written_whole(path: str | os.PathLike):
    """Yield a temporary folder that becomes `path` when the block succeeds.

    Raises:
        FileExistsError: `path` exists and is not an empty folder.
        FileNotFoundError, PermissionError: the parent folder is missing or not writable.
        TypeError, ValueError: `path` is no path, or that of a device.
    """
    path = target_of(path)
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise FileExistsError(
            "A folder to write must be new or empty: remove what is there, or choose another "
            f"path. Received: path={path!r}"
        )
    with beside(path) as temporary:
        os.mkdir(temporary)
        yield temporary
